package stepfile

import (
	"fmt"
	"slices"
)

// Bounds of an expression. Eight levels is what valohai-yaml's lint allows, counting the
// expression itself as one; the length is leval's.
const (
	maxLevels     = 8
	maxExpression = 100_000
	maxBrackets   = 100
)

// expression reads a key that may hold an expression: stop-condition.
func (o *object) expression(key string) string {
	e := o.get(key)
	if e == nil {
		return ""
	}
	s, ok := o.r.text(e.val, o.sub(key))
	if !ok {
		return ""
	}
	if err := checkExpression(s); err != nil {
		o.r.add(SeverityError, o.where(key), o.sub(key), finding{
			"stop-condition", key + " is not a valid expression: " + err.Error(), "write a comparison like accuracy > 0.9 and epoch >= 10",
		})
	}
	return s
}

// checkExpression tells what is wrong with an expression. The grammar is that of leval
// 1.4.0, which checks Python's syntax tree: or, and, not, one comparison at a time
// (== != < <= > >= in, not in, is, is not), + - * / //, unary + and -, calls of named functions
// without keywords, dotted names, numbers, strings, None, True, False, tuples and sets.
// Words that are reserved in Python, but mean nothing here, are names.
func checkExpression(s string) error {
	if len(s) > maxExpression {
		return fmt.Errorf("it has more than %d bytes", maxExpression)
	}
	tokens, err := lex(s)
	if err != nil {
		return err
	}
	p := &expressionParser{tokens: tokens}
	levels := p.tuple()
	if p.err == nil && p.peek().kind != tokenEnd {
		p.fail("%s stands where an operator is expected", p.peek())
	}
	if p.err == nil && levels+1 > maxLevels {
		p.fail("it nests more than %d levels deep", maxLevels)
	}
	return p.err
}

// expressionParser is a recursive descent. Its methods give how many levels of Python's
// syntax tree they have read. After an error they read nothing.
type expressionParser struct {
	tokens   []token
	next     int
	brackets int
	err      error
	// name is set while what was read last is a dotted name, plain while it has no dot.
	name, plain bool
}

func (p *expressionParser) peek() token {
	if p.err != nil || p.next >= len(p.tokens) {
		return token{}
	}
	return p.tokens[p.next]
}

func (p *expressionParser) take() token {
	t := p.peek()
	p.next++
	return t
}

// accept takes the next token if it is this one.
func (p *expressionParser) accept(text string) bool {
	if !p.peek().is(text) {
		return false
	}
	p.next++
	return true
}

func (p *expressionParser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *expressionParser) expect(text string) {
	if !p.accept(text) {
		p.fail("%s stands where %s is expected", p.peek(), show(text))
	}
}

// tuple is expressions between commas; one without a comma is itself.
func (p *expressionParser) tuple() int {
	levels := p.or()
	if !p.peek().is(",") {
		return levels
	}
	p.name, p.plain = false, false
	for p.accept(",") {
		if next := p.peek(); next.kind == tokenEnd || next.is(")") {
			break
		}
		levels = max(levels, p.or())
	}
	p.name, p.plain = false, false
	return levels + 1
}

func (p *expressionParser) or() int { return p.chain("or", p.and) }

func (p *expressionParser) and() int { return p.chain("and", p.not) }

// chain is operands joined by one word: one level, however many they are.
func (p *expressionParser) chain(word string, operand func() int) int {
	levels := operand()
	if !p.peek().is(word) {
		return levels
	}
	for p.accept(word) {
		levels = max(levels, operand())
	}
	return levels + 1
}

func (p *expressionParser) not() int {
	n := 0
	for p.accept("not") {
		n++
	}
	return n + p.comparison()
}

// comparison is one or two sums.
func (p *expressionParser) comparison() int {
	levels := p.sum()
	if !p.comparator() {
		return levels
	}
	levels = max(levels, p.sum()) + 1
	if p.comparator() {
		p.fail("comparisons can't be chained: join them by and")
	}
	return levels
}

// comparator takes a comparison operator, if one is next.
func (p *expressionParser) comparator() bool {
	if slices.ContainsFunc([]string{"==", "!=", "<=", ">=", "<", ">", "in"}, p.accept) {
		return true
	}
	if p.accept("is") {
		p.accept("not")
		return true
	}
	if p.peek().is("not") && p.next+1 < len(p.tokens) && p.tokens[p.next+1].is("in") {
		p.next += 2
		return true
	}
	return false
}

func (p *expressionParser) sum() int { return p.binary(p.product, "+", "-") }

func (p *expressionParser) product() int { return p.binary(p.sign, "*", "/", "//") }

// binary is operands joined by operators, grouped to the left: a level for each.
func (p *expressionParser) binary(operand func() int, operators ...string) int {
	levels := operand()
	for slices.ContainsFunc(operators, p.accept) {
		levels = max(levels, operand()) + 1
	}
	return levels
}

func (p *expressionParser) sign() int {
	n := 0
	for p.accept("-") || p.accept("+") {
		n++
	}
	return n + p.primary()
}
