mod properties;
mod recorded;
