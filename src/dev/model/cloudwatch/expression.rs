//! The grammar of metric math.

/// How deep an expression may nest.
const DEPTH_MAX: usize = 24;

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    Name(String),
    List(Vec<Expression>),
    Negative(Box<Expression>),
    Operation(Operator, Box<Expression>, Box<Expression>),
    Call(Call, Vec<Expression>),
}

/// An operator between two values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    Unequal,
    LessOrEqual,
    GreaterOrEqual,
    Less,
    Greater,
    Add,
    Subtract,
    Multiply,
    Divide,
    Power,
}

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Sum,
    Avg,
    Min,
    Max,
    Abs,
    Ceil,
    Floor,
    Fill,
    If,
    Metrics,
    Period,
}

const CALLS: [Call; 11] = [
    Call::Sum,
    Call::Avg,
    Call::Min,
    Call::Max,
    Call::Abs,
    Call::Ceil,
    Call::Floor,
    Call::Fill,
    Call::If,
    Call::Metrics,
    Call::Period,
];

impl Call {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
            Self::Abs => "ABS",
            Self::Ceil => "CEIL",
            Self::Floor => "FLOOR",
            Self::Fill => "FILL",
            Self::If => "IF",
            Self::Metrics => "METRICS",
            Self::Period => "PERIOD",
        }
    }

    /// One number for many; `None` for none.
    pub(super) fn over(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let (mut count, mut all) = (0.0, None::<f64>);
        for value in values {
            count += 1.0;
            all = Some(all.map_or(value, |all| match self {
                Self::Min => all.min(value),
                Self::Max => all.max(value),
                _ => all + value,
            }));
        }
        if self == Self::Avg { all.map(|sum| sum / count) } else { all }
    }
}

impl Operator {
    pub(super) fn of(self, left: f64, right: f64) -> f64 {
        let truth = |holds: bool| if holds { 1.0 } else { 0.0 };
        #[expect(clippy::float_cmp, reason = "that is what the operator means")]
        match self {
            Self::Or => truth(left != 0.0 || right != 0.0),
            Self::And => truth(left != 0.0 && right != 0.0),
            Self::Equal => truth(left == right),
            Self::Unequal => truth(left != right),
            Self::LessOrEqual => truth(left <= right),
            Self::GreaterOrEqual => truth(left >= right),
            Self::Less => truth(left < right),
            Self::Greater => truth(left > right),
            Self::Add => left + right,
            Self::Subtract => left - right,
            Self::Multiply => left * right,
            Self::Divide => left / right,
            Self::Power => left.powf(right),
        }
    }
}

/// Operators by how tightly they bind, loosest first; longer spellings before their beginnings.
const LEVELS: [&[(&str, Operator)]; 6] = [
    &[("||", Operator::Or), ("OR ", Operator::Or)],
    &[("&&", Operator::And), ("AND ", Operator::And)],
    &[
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ],
    &[("+", Operator::Add), ("-", Operator::Subtract)],
    &[("*", Operator::Multiply), ("/", Operator::Divide)],
    &[("^", Operator::Power)],
];

impl Expression {
    /// Reads an expression.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text, depth: 0 };
        let expression = parser.level(0)?;
        match parser.trimmed() {
            "" => Ok(expression),
            rest => Err(format!("unexpected {rest:?}")),
        }
    }

    /// The queries that it names.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::Number(_) | Self::Text(_) => Vec::new(),
            Self::Name(name) => vec![name],
            Self::Negative(of) => of.names(),
            Self::Operation(_, left, right) => [left.names(), right.names()].concat(),
            Self::List(parts) | Self::Call(_, parts) => parts.iter().flat_map(Self::names).collect(),
        }
    }
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn trimmed(&mut self) -> &'a str {
        self.rest = self.rest.trim_start();
        self.rest
    }

    fn take(&mut self, sign: &str) -> bool {
        match self.trimmed().strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn level(&mut self, level: usize) -> Result<Expression, String> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.level(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(sign, _)| self.take(sign)) {
            let right = self.level(level + 1)?;
            left = Expression::Operation(*operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(format!("it nests deeper than {DEPTH_MAX}"));
        }
        let expression = if self.take("-") { Expression::Negative(Box::new(self.unary()?)) } else { self.primary()? };
        self.depth -= 1;
        Ok(expression)
    }

    fn primary(&mut self) -> Result<Expression, String> {
        if self.take("(") {
            let inner = self.level(0)?;
            return if self.take(")") { Ok(inner) } else { Err("a ) is missing".to_owned()) };
        }
        if self.take("[") {
            return Ok(Expression::List(self.until("]")?));
        }
        if let Some(quote) = ["\"", "'"].into_iter().find(|quote| self.take(quote)) {
            let (text, rest) = self.rest.split_once(quote).ok_or_else(|| format!("a {quote} is missing"))?;
            self.rest = rest;
            return Ok(Expression::Text(text.to_owned()));
        }
        let rest = self.trimmed();
        let length = rest.bytes().take_while(|b| b.is_ascii_alphanumeric() || b"_.".contains(b)).count();
        let (word, after) = rest.split_at(length);
        if word.is_empty() {
            return Err(if rest.is_empty() { "it ends too early".to_owned() } else { format!("unexpected {rest:?}") });
        }
        self.rest = after;
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return word.parse().map(Expression::Number).map_err(|_| format!("{word} is not a number"));
        }
        if self.take("(") {
            let call = CALLS.into_iter().find(|call| call.name() == word);
            let call = call.ok_or_else(|| {
                format!(
                    "the function {word} is not modelled by the dev cloud, which has {}",
                    CALLS.map(Call::name).join(", ")
                )
            })?;
            return Ok(Expression::Call(call, self.until(")")?));
        }
        Ok(Expression::Name(word.to_owned()))
    }

    fn until(&mut self, end: &str) -> Result<Vec<Expression>, String> {
        let mut items = Vec::new();
        if self.take(end) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0)?);
            if self.take(end) {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(format!("a {end} is missing"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> f64 {
        fn value(expression: &Expression) -> f64 {
            match expression {
                Expression::Number(number) => *number,
                Expression::Negative(of) => -value(of),
                Expression::Operation(operator, left, right) => operator.of(value(left), value(right)),
                other => panic!("{other:?}"),
            }
        }
        value(&Expression::parse(text).unwrap())
    }

    #[test]
    fn operators_bind_as_in_arithmetic() {
        assert_eq!(number("1 + 2*3 - -4/2"), 9.0);
        assert_eq!(number("(1 + 2) * 3 ^ 2"), 27.0);
        assert_eq!(number("1 < 2 && 3 >= 4 || 5 == 5"), 1.0);
        assert_eq!(number("100*(3/(3+1))"), 75.0);
    }

    #[test]
    fn what_is_not_modelled_is_refused_by_name() {
        let said = |text: &str| Expression::parse(text).unwrap_err();
        assert!(said("SEARCH('x', 'Sum', 60)").contains("SEARCH"));
        assert!(said("ANOMALY_DETECTION_BAND(m1, 2)").contains("ANOMALY_DETECTION_BAND"));
        for text in ["", "m1 +", "(m1", "m1 m2", "SUM(", "[m1", "\"x", "1.2.3", "m1 ? 2 : 3"] {
            assert!(Expression::parse(text).is_err(), "{text}");
        }
        assert!(said(&"(".repeat(500)).contains("deeper"));
        assert_eq!(Expression::parse("FILL(a, 0) / SUM([b, c])").unwrap().names(), ["a", "b", "c"]);
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[a-zA-Z0-9_ .,+*/^()\\[\\]<>=!&|'\"-]{0,80}") {
            let _ = Expression::parse(&text);
        }
    }
}
