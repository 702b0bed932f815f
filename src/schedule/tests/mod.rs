mod azure;
mod openai;
mod properties;
mod recorded;
