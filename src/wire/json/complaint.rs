//! What JavaScript says of a text that is no JSON.
//!
//! The legacy service shows these texts to clients where a vendor's answer cannot be read. Wording and
//! positions are those of its runtime (Node 20); positions count UTF-16 units.

/// Deeper nesting is not followed; no vendor's answer comes near.
const MAX_DEPTH: usize = 512;
/// Characters of context around an unexpected one.
const CONTEXT: usize = 10;

/// Complaint about what follows a complete value.
const AFTER: &str = "Unexpected non-whitespace character after JSON";

struct Reader<'t> {
    units: &'t [u16],
    at: usize,
}

/// Why a place cannot be read on; `None` stands for the general complaint about a character.
struct Stop(Option<&'static str>);

type Read = Result<(), Stop>;

/// The runtime's complaint about a text; `None` when the text is JSON.
pub fn complaint(text: &str) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut reader = Reader { units: &units, at: 0 };
    let stop = reader.document().err()?;
    let at = reader.at;
    Some(match stop.0 {
        Some(AFTER) => format!("{AFTER} at position {at}"),
        Some(what) => format!("{what} in JSON at position {at}"),
        None => general(&units, at),
    })
}

fn general(units: &[u16], at: usize) -> String {
    let Some(&unit) = units.get(at) else { return "Unexpected end of JSON input".to_owned() };
    let text = |from: usize, to: usize| String::from_utf16_lossy(&units[from..to]);
    if unit == u16::from(b'"') {
        return format!("Unexpected string in JSON at position {at}");
    }
    if unit == u16::from(b'-') || is_digit(unit) {
        return format!("Unexpected number in JSON at position {at}");
    }
    let length = units.len();
    let whole = text(0, length);
    if ["NaN", "Infinity", "undefined", "[object Object]"].contains(&whole.as_str()) {
        return format!("\"{whole}\" is not valid JSON");
    }
    let (from, before) =
        if length <= 2 * CONTEXT || at < CONTEXT { (0, "") } else { (at - CONTEXT, "...") };
    let cut = length > 2 * CONTEXT && (at < CONTEXT || at < length - CONTEXT);
    let (to, after) = if cut { (at + CONTEXT, "...") } else { (length, "") };
    let (unit, near) = (text(at, at + 1), text(from, to));
    format!("Unexpected token '{unit}', {before}\"{near}\"{after} is not valid JSON")
}

fn is_digit(unit: u16) -> bool {
    (u16::from(b'0')..=u16::from(b'9')).contains(&unit)
}

impl Reader<'_> {
    fn document(&mut self) -> Read {
        self.value(0)?;
        self.space();
        if self.at == self.units.len() { Ok(()) } else { Err(Stop(Some(AFTER))) }
    }

    fn value(&mut self, depth: usize) -> Read {
        self.space();
        match self.peek() {
            Some(b'{') if depth < MAX_DEPTH => self.object(depth),
            Some(b'[') if depth < MAX_DEPTH => self.array(depth),
            Some(b'"') => self.string(),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true"),
            Some(b'f') => self.word("false"),
            Some(b'n') => self.word("null"),
            _ => Err(Stop(None)),
        }
    }

    fn object(&mut self, depth: usize) -> Read {
        self.at += 1;
        self.space();
        if self.eat(b'}') {
            return Ok(());
        }
        let mut missing = "Expected property name or '}'";
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(Stop(Some(missing)));
            }
            self.string()?;
            self.space();
            if !self.eat(b':') {
                return Err(Stop(Some("Expected ':' after property name")));
            }
            self.value(depth + 1)?;
            self.space();
            if self.eat(b'}') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(Stop(Some("Expected ',' or '}' after property value")));
            }
            missing = "Expected double-quoted property name";
        }
    }

    fn array(&mut self, depth: usize) -> Read {
        self.at += 1;
        self.space();
        if self.eat(b']') {
            return Ok(());
        }
        loop {
            self.value(depth + 1)?;
            self.space();
            if self.eat(b']') {
                return Ok(());
            }
            if !self.eat(b',') {
                return Err(Stop(Some("Expected ',' or ']' after array element")));
            }
        }
    }

    fn string(&mut self) -> Read {
        self.at += 1;
        loop {
            match self.units.get(self.at).copied() {
                None => return Err(Stop(Some("Unterminated string"))),
                Some(0x22) => {
                    self.at += 1;
                    return Ok(());
                }
                Some(0x5c) => self.escape()?,
                Some(0..=0x1f) => {
                    return Err(Stop(Some("Bad control character in string literal")));
                }
                Some(_) => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Read {
        self.at += 1;
        match self.peek() {
            None if self.at == self.units.len() => Err(Stop(None)),
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => {
                self.at += 1;
                Ok(())
            }
            Some(b'u') => {
                for _ in 0..4 {
                    self.at += 1;
                    if !self.peek().is_some_and(|unit| unit.is_ascii_hexdigit()) {
                        return Err(Stop(Some("Bad Unicode escape")));
                    }
                }
                self.at += 1;
                Ok(())
            }
            _ => Err(Stop(Some("Bad escaped character"))),
        }
    }

    fn number(&mut self) -> Read {
        if self.eat(b'-') && !self.digit() {
            return Err(Stop(Some("No number after minus sign")));
        }
        if self.eat(b'0') {
            if self.digit() {
                return Err(Stop(None));
            }
        } else {
            self.digits();
        }
        if self.eat(b'.') {
            if !self.digit() {
                return Err(Stop(Some("Unterminated fractional number")));
            }
            self.digits();
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _ = self.eat(b'+') || self.eat(b'-');
            if !self.digit() {
                return Err(Stop(Some("Exponent part is missing a number")));
            }
            self.digits();
        }
        Ok(())
    }

    fn word(&mut self, word: &str) -> Read {
        for byte in word.bytes() {
            if !self.eat(byte) {
                return Err(Stop(None));
            }
        }
        Ok(())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn digits(&mut self) {
        while self.digit() {
            self.at += 1;
        }
    }

    fn digit(&self) -> bool {
        self.peek().is_some_and(|unit| unit.is_ascii_digit())
    }

    fn eat(&mut self, byte: u8) -> bool {
        let there = self.peek() == Some(byte);
        self.at += usize::from(there);
        there
    }

    /// The unit in front, if it is ASCII.
    fn peek(&self) -> Option<u8> {
        self.units.get(self.at).and_then(|unit| u8::try_from(*unit).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::complaint;

    /// What Node 20 says of each text.
    const SAID: &[(&str, &str)] = &[
        ("", "Unexpected end of JSON input"),
        ("{\"a\":", "Unexpected end of JSON input"),
        ("{\"id\":\"x\",", "Expected double-quoted property name in JSON at position 10"),
        ("{", "Expected property name or '}' in JSON at position 1"),
        ("[", "Unexpected end of JSON input"),
        ("[1", "Expected ',' or ']' after array element in JSON at position 2"),
        ("[1,", "Unexpected end of JSON input"),
        ("{\"a\"", "Expected ':' after property name in JSON at position 4"),
        ("{\"a\" 1", "Expected ':' after property name in JSON at position 5"),
        ("{\"a\":1", "Expected ',' or '}' after property value in JSON at position 6"),
        ("{\"a\":1,", "Expected double-quoted property name in JSON at position 7"),
        ("{\"a\":1 x}", "Expected ',' or '}' after property value in JSON at position 7"),
        ("{a", "Expected property name or '}' in JSON at position 1"),
        ("[1 2]", "Expected ',' or ']' after array element in JSON at position 3"),
        ("[\"a\" \"b\"]", "Expected ',' or ']' after array element in JSON at position 5"),
        ("\"abc", "Unterminated string in JSON at position 4"),
        ("\"ab\\", "Unexpected end of JSON input"),
        ("\"ab\\x\"", "Bad escaped character in JSON at position 4"),
        ("\"ab\\u12", "Bad Unicode escape in JSON at position 7"),
        ("\"ab\\u12g4\"", "Bad Unicode escape in JSON at position 7"),
        ("\"\n\"", "Bad control character in string literal in JSON at position 1"),
        ("-", "No number after minus sign in JSON at position 1"),
        ("-x", "No number after minus sign in JSON at position 1"),
        ("01", "Unexpected number in JSON at position 1"),
        ("1.", "Unterminated fractional number in JSON at position 2"),
        ("1.x", "Unterminated fractional number in JSON at position 2"),
        ("1e", "Exponent part is missing a number in JSON at position 2"),
        ("1e+", "Exponent part is missing a number in JSON at position 3"),
        ("1 2", "Unexpected non-whitespace character after JSON at position 2"),
        ("{} x", "Unexpected non-whitespace character after JSON at position 3"),
        ("{}\"x\"", "Unexpected non-whitespace character after JSON at position 2"),
        ("{}1", "Unexpected non-whitespace character after JSON at position 2"),
        ("nul", "Unexpected end of JSON input"),
        ("nulx", "Unexpected token 'x', \"nulx\" is not valid JSON"),
        ("tru", "Unexpected end of JSON input"),
        ("NaN", "\"NaN\" is not valid JSON"),
        ("Infinity", "\"Infinity\" is not valid JSON"),
        ("undefined", "\"undefined\" is not valid JSON"),
        ("[object Object]", "\"[object Object]\" is not valid JSON"),
        (
            "<html><body><b>Http/1.1 Service Unavailable</b></body> </html>",
            "Unexpected token '<', \"<html><bod\"... is not valid JSON",
        ),
        ("0123456789<", "Unexpected number in JSON at position 1"),
        (
            "{\"a\":1,\"b\":<html>xxxxxxxxxxxxxxxx}",
            "Unexpected token '<', ...\"\"a\":1,\"b\":<html>xxxx\"... is not valid JSON",
        ),
        ("[1,2,3,4,5,6,7,8,9,10,x]", "Unexpected token 'x', ...\",7,8,9,10,x]\" is not valid JSON"),
        ("[\"ü\",x]", "Unexpected token 'x', \"[\"ü\",x]\" is not valid JSON"),
        ("[\"😀\",x", "Unexpected token 'x', \"[\"😀\",x\" is not valid JSON"),
        ("oops", "Unexpected token 'o', \"oops\" is not valid JSON"),
        ("not json", "Unexpected token 'o', \"not json\" is not valid JSON"),
        ("'a'", "Unexpected token ''', \"'a'\" is not valid JSON"),
        ("\"", "Unterminated string in JSON at position 1"),
        ("{\"a\":\"b\"", "Expected ',' or '}' after property value in JSON at position 8"),
        ("{\"a\":tru}", "Unexpected token '}', \"{\"a\":tru}\" is not valid JSON"),
        ("[,]", "Unexpected token ',', \"[,]\" is not valid JSON"),
        ("[1,]", "Unexpected token ']', \"[1,]\" is not valid JSON"),
        ("{,}", "Expected property name or '}' in JSON at position 1"),
        ("é", "Unexpected token 'é', \"é\" is not valid JSON"),
        ("[1}", "Expected ',' or ']' after array element in JSON at position 2"),
        ("{\"a\":1]", "Expected ',' or '}' after property value in JSON at position 6"),
        ("\u{a0}{}", "Unexpected token '\u{a0}', \"\u{a0}{}\" is not valid JSON"),
        ("{\"a\":+1}", "Unexpected token '+', \"{\"a\":+1}\" is not valid JSON"),
        ("{\"a\":.5}", "Unexpected token '.', \"{\"a\":.5}\" is not valid JSON"),
        ("12x", "Unexpected non-whitespace character after JSON at position 2"),
        ("\"a\"x", "Unexpected non-whitespace character after JSON at position 3"),
        ("[nul]", "Unexpected token ']', \"[nul]\" is not valid JSON"),
        ("[truu]", "Unexpected token 'u', \"[truu]\" is not valid JSON"),
        (
            "{\"abcdefghijklmnopqrst\":x}",
            "Unexpected token 'x', ...\"mnopqrst\":x}\" is not valid JSON",
        ),
        (
            "xxxxxxxxxxxxxxxxxxxx",
            "Unexpected token 'x', \"xxxxxxxxxxxxxxxxxxxx\" is not valid JSON",
        ),
        ("xxxxxxxxxxxxxxxxxxxxx", "Unexpected token 'x', \"xxxxxxxxxx\"... is not valid JSON"),
        ("你", "Unexpected token '你', \"你\" is not valid JSON"),
    ];

    #[test]
    fn the_runtime_s_words() {
        for (text, said) in SAID {
            assert_eq!(complaint(text).as_deref(), Some(*said), "{text}");
        }
        assert_eq!(complaint(" {\"a\":[1,true,null,-0.5e+3,\"\\u00fc\"]} "), None);
        assert!(complaint(&"[".repeat(100_000)).is_some());
    }
}
