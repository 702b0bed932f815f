mod openai;
mod properties;
mod recorded;
