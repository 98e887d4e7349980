"""A chain: prompt, guarded model, parser. It streams; what is refused never shows.

python examples/langchain/lcel_chain.py
"""

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from corroborator import Guard
from corroborator.demonstration import load_demonstration
from corroborator.integrations.langchain import GuardedChatModel
from models import chat_model

PROMPT = ChatPromptTemplate([("system", load_demonstration().instructions), ("human", "{text}")])


def main() -> None:
    """Answer what a user of the demonstration asks."""
    text = load_demonstration().conversations[0].turns[0].user
    with Guard() as guard:
        chain = PROMPT | GuardedChatModel(inner=chat_model(), guard=guard) | StrOutputParser()
        print("user: ", text)
        print("reply: ", end="")
        for words in chain.stream({"text": text}):
            print(words, end="", flush=True)
        print()


if __name__ == "__main__":
    main()
