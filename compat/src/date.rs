//! Dates as JavaScript reads them: the ISO forms, and whatever else its engine (V8) guesses at, since the
//! legacy service stores and accepts dates as people send them.

mod parts;
mod tokens;

#[cfg(test)]
mod tests;

use jiff::tz::TimeZone;

use parts::{Day, Time, Zone, moment};
use tokens::{Meaning, Token, Tokens};

/// `new Date(text).getTime()` in epoch milliseconds, or `None` where JavaScript gives an invalid date.
///
/// A date alone in ISO form is UTC; every other date without a zone is in the machine's own.
pub fn date_ms(text: &str) -> Option<i64> {
    read(text, TimeZone::system)
}

fn read(text: &str, local: impl FnOnce() -> TimeZone) -> Option<i64> {
    let mut reader = Reader {
        tokens: Tokens::new(text),
        day: Day::default(),
        time: Time::default(),
        zone: Zone::default(),
    };
    match reader.iso()? {
        Token::End => {}
        first => reader.guess(first)?,
    }
    moment(&reader.day, &reader.time, &reader.zone, local)
}

struct Reader<'a> {
    tokens: Tokens<'a>,
    day: Day,
    time: Time,
    zone: Zone,
}

impl Reader<'_> {
    /// Reads the ISO form. Gives the first piece that does not belong to it, [`Token::End`] when it was read
    /// to the end, and `None` for what began as a time of that form and is none.
    fn iso(&mut self) -> Option<Token> {
        if let Some(sign) = self.tokens.peek().direction() {
            let token = self.tokens.take();
            match self.tokens.peek() {
                Token::Number(year, 6) if sign > 0 || year > 0 => {
                    self.tokens.take();
                    self.day.add(sign * year);
                }
                Token::Number(_, 6) => {
                    self.tokens.take();
                    return Some(token);
                }
                _ => return Some(token),
            }
        } else if let Token::Number(year, 4) = self.tokens.peek() {
            self.tokens.take();
            self.day.add(year);
        } else {
            return Some(self.tokens.take());
        }
        for most in [12, 31] {
            if !self.tokens.skip('-') {
                break;
            }
            let Some(number) = self.tokens.peek().digits(2, 1, most) else {
                return Some(self.tokens.take());
            };
            self.tokens.take();
            self.day.add(number);
        }
        if matches!(self.tokens.peek(), Token::Word(Meaning::Time, _)) {
            self.tokens.take();
            self.iso_time()?;
        } else if self.tokens.peek() != Token::End {
            return Some(self.tokens.take());
        }
        if self.zone.is_empty() && self.time.is_empty() {
            self.zone.set(0);
        }
        self.day.ordered = true;
        Some(Token::End)
    }

    fn iso_time(&mut self) -> Option<()> {
        let hour = self.two(24)?;
        let most = if hour == 24 { 0 } else { 59 };
        self.time.add(hour);
        if !self.tokens.skip(':') {
            return None;
        }
        let minute = self.two(most)?;
        self.time.add(minute);
        if self.tokens.skip(':') {
            let second = self.two(most)?;
            self.time.add(second);
            if self.tokens.skip('.') {
                match self.tokens.take() {
                    Token::Number(number, length) if hour < 24 || number == 0 => {
                        self.time.add(milliseconds(number, length));
                    }
                    _ => return None,
                }
            }
        }
        if self.tokens.peek().is_z() {
            self.tokens.take();
            self.zone.set(0);
        } else if let Some(sign) = self.tokens.peek().direction() {
            self.tokens.take();
            self.zone.set_sign(sign);
            if let Token::Number(number, 4) = self.tokens.peek() {
                self.tokens.take();
                let (hour, minute) = (number / 100, number % 100);
                if hour > 23 || minute > 59 {
                    return None;
                }
                self.zone.set_distance(hour, Some(minute));
            } else {
                let hour = self.two(23)?;
                if !self.tokens.skip(':') {
                    return None;
                }
                let minute = self.two(59)?;
                self.zone.set_distance(hour, Some(minute));
            }
        }
        (self.tokens.peek() == Token::End).then_some(())
    }

    /// Takes a number of two digits.
    fn two(&mut self, most: i64) -> Option<i64> {
        let number = self.tokens.peek().digits(2, 0, most)?;
        self.tokens.take();
        Some(number)
    }

    /// Reads the rest as a date that somebody wrote by hand; `None` when it is none.
    fn guess(&mut self, first: Token) -> Option<()> {
        let mut any = !self.day.is_empty();
        let mut token = first;
        while token != Token::End {
            match token {
                Token::Number(number, _) => {
                    any = true;
                    self.number(number)?;
                }
                Token::Word(Meaning::Half(hours), _) if !self.time.is_empty() => {
                    self.time.set_half(hours);
                }
                Token::Word(Meaning::Month(month), _) => {
                    self.day.name_month(month);
                    self.tokens.skip('-');
                }
                Token::Word(Meaning::Zone(hours), _) if any => self.zone.set(hours),
                // Words before the first number are read over, if they do not touch it.
                Token::Word(..) if any || self.tokens.peek().is_number() => return None,
                Token::Sign(sign) => {
                    let after = self.zone.is_utc() || !self.time.is_empty();
                    match token.direction() {
                        Some(direction) if after => {
                            self.distance(direction)?;
                            any = true;
                        }
                        Some(_) if any => return None,
                        None if sign == ')' && any => return None,
                        _ => {}
                    }
                }
                _ => {}
            }
            token = self.tokens.take();
        }
        Some(())
    }

    fn number(&mut self, number: i64) -> Option<()> {
        if self.tokens.skip(':') {
            if self.tokens.skip(':') {
                if !self.time.is_empty() {
                    return None;
                }
                self.time.add(number);
                self.time.add(0);
            } else {
                if !self.time.add(number) {
                    return None;
                }
                self.tokens.skip('.');
            }
        } else if self.tokens.skip('.') && self.time.expects(number) {
            self.time.add(number);
            let Token::Number(fraction, length) = self.tokens.take() else { return None };
            self.time.finish(milliseconds(fraction, length));
        } else if self.zone.expects(number) {
            self.zone.set_minute(number);
        } else if self.time.expects(number) {
            self.time.finish(number);
            let next = self.tokens.peek();
            let fine = matches!(next, Token::End | Token::Space) || next.is_z();
            if !fine && next.direction().is_none() {
                return None;
            }
        } else {
            if !self.day.add(number) {
                return None;
            }
            self.tokens.skip('-');
        }
        Some(())
    }

    /// Reads how far a zone is from Greenwich.
    fn distance(&mut self, sign: i64) -> Option<()> {
        self.zone.set_sign(sign);
        let (number, length) = match self.tokens.peek() {
            Token::Number(number, length) => {
                self.tokens.take();
                (number, length)
            }
            _ => (0, 0),
        };
        if self.tokens.peek() == Token::Sign(':') {
            self.zone.set_distance(number, None);
        } else if matches!(length, 1 | 2) {
            self.zone.set_distance(number, Some(0));
        } else if matches!(length, 3 | 4) {
            self.zone.set_distance(number / 100, Some(number % 100));
        } else {
            return None;
        }
        Some(())
    }
}

/// The first three digits of a fraction of a second.
fn milliseconds(number: i64, length: usize) -> i64 {
    match length {
        1 => number * 100,
        2 => number * 10,
        3 => number,
        _ => (4..=length.min(9)).fold(number, |number, _| number / 10),
    }
}
