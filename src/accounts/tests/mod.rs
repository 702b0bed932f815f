mod bench;
mod openai;
mod recorded;
mod recover;
mod refresh;
mod slots;
mod trials;
