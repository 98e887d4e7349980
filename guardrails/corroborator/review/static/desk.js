"use strict";
// Short keys, blurring, and where the focus goes. Everything works without this file.

const OFF = "review-keys-off";
const ANSWERS = { y: "yes", x: "no", c: "unsure" };

const keysOff = () => localStorage.getItem(OFF) === "1";

function isWriting(element) {
  return element.matches("textarea, select, input:not([type=radio], [type=checkbox])");
}

function choose(question, value) {
  const choice = question.querySelector(`input[value=${value}]`);
  if (!choice) return;
  choice.checked = true;
  const questions = [...question.form.querySelectorAll("[data-question]")];
  const next = questions[questions.indexOf(question) + 1];
  const target = next
    ? next.querySelector("input:checked") || next.querySelector("input")
    : question.form.querySelector("button.main");
  target.focus();
}

document.addEventListener("keydown", (event) => {
  if (keysOff() || event.ctrlKey || event.metaKey || event.altKey || isWriting(event.target)) return;
  const key = event.key.toLowerCase();
  const question = event.target.closest("[data-question]");
  if (question && key in ANSWERS) {
    event.preventDefault();
    choose(question, ANSWERS[key]);
    return;
  }
  const wanted = /^[a-z]$/.test(key) && document.querySelector(`[data-key=${key}]:not(:disabled)`);
  if (wanted) {
    event.preventDefault();
    wanted.click();
  }
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-blur]");
  if (!button) return;
  const on = document.getElementById("turn").classList.toggle("hidden-text");
  button.setAttribute("aria-pressed", String(on));
});

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-keys-off]")) {
    localStorage.setItem(OFF, event.target.checked ? "1" : "0");
  }
});

document.addEventListener("DOMContentLoaded", () => {
  const box = document.querySelector("[data-keys-off]");
  if (box) box.checked = keysOff();
});

document.addEventListener("htmx:afterSwap", (event) => {
  const heading = event.target.querySelector("[data-focus]");
  if (heading) heading.focus();
});
