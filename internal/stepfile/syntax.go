package stepfile

import (
	"bytes"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxLocate is how large a broken file may be for its fault to be searched for: above it
// the line that yaml.v3 gives is good enough.
const maxLocate = 128 << 10

// syntax reports the syntax error of a file in plain words.
func (r *reader) syntax(data []byte, err error) {
	message, line := syntaxError(err)
	where := position{line: max(line, 1)}
	if len(data) <= maxLocate {
		where = locate(data, message)
	}
	text := lineOf(data, where.line)
	f := sentence(message)
	if i := strings.IndexByte(text, '\t'); i >= 0 && f.rule != "yaml-alias" && strings.TrimSpace(text[:i]) == "" {
		where.column = utf8.RuneCountInString(text[:i]) + 1
		f.finding = finding{"yaml-tab", "a tab stands where YAML wants blanks", "indent with blanks"}
	} else if before := firstRunes(text, where.column-1); f.startOfLine && strings.ContainsAny(before, `"'`) {
		f.finding = finding{"yaml-syntax", "something stands behind a closing quote", "put the whole text in one pair of quotes"}
	} else if f.startOfLine {
		where.column = utf8.RuneCountInString(text[:len(text)-len(strings.TrimLeft(text, " \t"))]) + 1
	} else if i := strings.LastIndex(firstRunes(text, where.column), f.begin); f.begin != "" && i >= 0 {
		where.column = utf8.RuneCountInString(text[:i]) + 1
	}
	r.add(SeverityError, where, "", f.finding)
}

// syntaxError takes the message and the line, 0 if there is none, from an error of
// yaml.v3. The line is often that where the list or map began.
func syntaxError(err error) (message string, line int) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if rest, ok := strings.CutPrefix(message, "line "); ok {
		number, rest, _ := strings.Cut(rest, ": ")
		if n, err := strconv.Atoi(number); err == nil {
			return rest, n
		}
	}
	return message, 0
}

// locate finds where a fault lies that yaml.v3 gives no exact place for: at the end of
// the shortest beginning of the file that has the same fault, looked for from the end of
// the file. It parses a few dozen beginnings at most.
func locate(data []byte, message string) position {
	alike := func(n int) bool {
		_, err := decode(data[:n])
		if err == nil {
			return false
		}
		m, _ := syntaxError(err)
		return m == message
	}
	ends := lineEnds(data)
	high, step := len(ends), 1
	low := high - step
	for low > 0 && alike(ends[low-1]) {
		high, step = low, step*2
		low = high - step
	}
	low = max(low, 0)
	line := low + 1 + sort.Search(high-low-1, func(i int) bool { return alike(ends[low+i]) })
	start := 0
	if line > 1 {
		start = ends[line-2]
	}
	column := 0
	if text := data[start:ends[line-1]]; len(text) <= 1024 {
		column = 1 + sort.Search(utf8.RuneCount(text)-1, func(i int) bool { return alike(start + runeOffset(text, i+1)) })
	}
	return position{line, column}
}

// lineEnds gives the offset behind each line.
func lineEnds(data []byte) []int {
	var ends []int
	for i := 0; i < len(data); {
		n := bytes.IndexByte(data[i:], '\n')
		if n < 0 {
			return append(ends, len(data))
		}
		i += n + 1
		ends = append(ends, i)
	}
	return ends
}

// runeOffset is the offset behind the first n characters.
func runeOffset(text []byte, n int) int {
	i := 0
	for ; n > 0 && i < len(text); n-- {
		_, size := utf8.DecodeRune(text[i:])
		i += size
	}
	return i
}

// firstRunes is the first n characters of s.
func firstRunes(s string, n int) string { return s[:runeOffset([]byte(s), n)] }

func lineOf(data []byte, line int) string {
	for ; line > 1; line-- {
		_, data, _ = bytes.Cut(data, []byte("\n"))
	}
	first, _, _ := bytes.Cut(data, []byte("\n"))
	return string(first)
}

// fault is a finding with where on its line it is best shown.
type fault struct {
	finding
	startOfLine bool
	begin       string // what the fault begins with
}

// sentence puts a message of yaml.v3 into plain words.
func sentence(message string) fault {
	const rule = "yaml-syntax"
	if name, ok := strings.CutPrefix(message, "unknown anchor '"); ok {
		name = clip(strings.TrimSuffix(name, "' referenced"))
		return fault{begin: "*" + name, finding: finding{
			"yaml-alias", "the alias *" + name + " has no anchor &" + name + " above it", "define the anchor first, or put the text in quotes",
		}}
	}
	for _, s := range sentences() {
		if strings.Contains(message, s.part) {
			return fault{finding{rule, s.text, s.remedy}, s.startOfLine, s.begin}
		}
	}
	return fault{finding: finding{rule, "this is not YAML (" + message + ")", "correct it"}}
}

// plain is what a part of a message means.
type plain struct {
	part, text, remedy string
	startOfLine        bool
	begin              string
}

// sentences are the faults that people meet.
func sentences() []plain {
	return []plain{
		{part: "mapping values are not allowed", text: "a colon stands where no key can end", remedy: "put the text in quotes, or correct the indentation"},
		{part: "did not find expected key", text: "this line is indented unlike the lines above it", remedy: "align it with its neighbours", startOfLine: true},
		{part: "did not find expected '-' indicator", text: "this line is indented unlike the entries above it", remedy: "begin it with a dash, or align it", startOfLine: true},
		{part: "block sequence entries are not allowed", text: "a dash stands where no list can begin", remedy: "begin the list on a new line"},
		{part: "could not find expected ':'", text: "this line has no colon, and must be a key", remedy: "write it as key: value", startOfLine: true},
		{part: "',' or ']'", text: "a [ is opened here and not closed", remedy: "close it with ]", begin: "["},
		{part: "',' or '}'", text: "a { is opened here and not closed", remedy: "close it with }, or put the text in quotes", begin: "{"},
		{part: "unexpected end of stream", text: "a quote is opened here and not closed", remedy: "close it"},
		{part: "unexpected document indicator", text: "a quote is opened above and not closed", remedy: "close it"},
		{part: "unknown escape character", text: "this escape is unknown in double quotes", remedy: "write the backslash twice, or use single quotes"},
		{part: "hexdecimal", text: "this escape is wrong in double quotes", remedy: "write the backslash twice, or use single quotes"},
		{part: "cannot start any token", text: "this character can't begin a value", remedy: "put the text in quotes"},
		{part: "expected node content", text: "a bracket or a comma stands where a value is expected", remedy: "remove it, or put the text in quotes"},
		{part: "comment or line break", text: "after | and > nothing may stand but + - and a digit", remedy: "begin the text on the next line"},
		{part: "undefined tag handle", text: "this tag is not known", remedy: "remove it, or put the text in quotes"},
		{part: "control characters", text: "this character is invisible and not allowed", remedy: "remove it"},
		{part: "exceeded max depth", text: "the file nests too deep", remedy: "flatten it"},
		{part: "tab character", text: "a tab stands where YAML wants blanks", remedy: "indent with blanks"},
		{part: "incompatible YAML document", text: "Valohai reads its files as YAML 1.1", remedy: "remove the line %YAML"},
		{part: "unknown directive", text: "a line that begins with % is a directive, and this one is not known", remedy: "remove it", startOfLine: true},
		{part: "expected <document start>", text: "this line is outside of the list", remedy: "begin it with a dash, or indent it", startOfLine: true},
	}
}
