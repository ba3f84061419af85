package stepfile

import "errors"

// primary is an atom with dots and calls behind it.
func (p *expressionParser) primary() int {
	levels := p.atom()
	for p.err == nil {
		switch {
		case p.accept("."):
			if !p.name {
				p.fail("only names can have a dot behind them")
			} else if t := p.take(); t.kind != tokenName || isOperatorWord(t.text) || isConstant(t.text) {
				p.fail("%s stands where a name is expected", t)
			}
			p.plain = false
		case p.peek().is("("):
			if !p.plain {
				p.fail("only functions can be called that have a name without a dot")
			}
			levels = 1 + p.arguments()
			p.name, p.plain = false, false
		case p.peek().is("["):
			p.fail("indexing with [ is not allowed")
		default:
			return levels
		}
	}
	return levels
}

// arguments are those of a call; the name of the function counts no level.
func (p *expressionParser) arguments() int {
	p.open("(")
	levels := 0
	for p.err == nil && !p.peek().is(")") {
		levels = max(levels, p.or())
		if p.peek().is("=") {
			p.fail("arguments with a name are not allowed")
		}
		if !p.accept(",") {
			break
		}
	}
	p.close(")")
	return levels
}

func (p *expressionParser) open(bracket string) {
	p.expect(bracket)
	if p.brackets++; p.brackets > maxBrackets {
		p.err = errors.New("it has too many brackets in one another")
	}
}

func (p *expressionParser) close(bracket string) {
	p.expect(bracket)
	p.brackets--
}

// atom is a name, a number, strings, or something in brackets.
func (p *expressionParser) atom() int {
	p.name, p.plain = false, false
	t := p.peek()
	switch {
	case p.err != nil:
		return 0
	case t.is("("):
		return p.parentheses()
	case t.is("{"):
		return p.set()
	case t.kind == tokenString:
		for p.peek().kind == tokenString {
			p.next++
		}
		return 1
	case t.kind == tokenNumber:
		p.next++
		return 1
	case t.kind == tokenName:
		return p.word(t)
	}
	p.fail("%s stands where a value is expected", t)
	return 0
}

// word is a name, or one of Python's three constants.
func (p *expressionParser) word(t token) int {
	if isOperatorWord(t.text) {
		p.fail("%s stands where a value is expected", t)
		return 0
	}
	p.name = !isConstant(t.text)
	p.plain = p.name
	p.next++
	return 1
}

func isConstant(word string) bool { return word == "None" || word == "True" || word == "False" }

func (p *expressionParser) parentheses() int {
	p.open("(")
	if p.accept(")") {
		p.brackets--
		return 1
	}
	levels := p.tuple()
	p.close(")")
	return levels
}

func (p *expressionParser) set() int {
	p.open("{")
	levels := 0
	for p.err == nil {
		levels = max(levels, p.or())
		if p.peek().is(":") {
			p.fail("a map in braces is not allowed")
		}
		if !p.accept(",") || p.peek().is("}") {
			break
		}
	}
	p.close("}")
	p.name, p.plain = false, false
	return levels + 1
}
