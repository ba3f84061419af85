package stepfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// defaultMaxBytes is how large a step file may be.
const defaultMaxBytes = 1 << 20

// Options are what a caller may set when it reads a file.
type Options struct {
	// CheckImage says what is wrong with the name of an image; nil checks nothing.
	CheckImage func(name string) error
	// MaxBytes is the largest file; 0 is 1 MiB.
	MaxBytes int
}

// File is a step file that has been read.
type File struct {
	// Steps are in the order of the file. Of several with one name only the last is
	// here, as in Valohai.
	Steps []*Step
	// Notes name what the file holds that Fairlead doesn't run.
	Notes []Problem
}

// Parse reads a step file. The name is only for the problems. The file is never nil: it
// holds the steps that could be read, and a step that has an error refuses to be built.
// The problems are in the order of the file. The work is bounded by the size of the data.
func Parse(name string, data []byte, o Options) (*File, []Problem) {
	r := &reader{collector: newCollector(name), notes: newCollector(name), scalars: newScalars(), checkImage: o.CheckImage}
	f := &File{}
	if doc := r.document(data, o.MaxBytes); doc != nil {
		r.file(f, doc)
	}
	f.Notes = r.notes.sorted()
	return f, r.sorted()
}

// document gives the root of the one document in data, or nil when a problem forbids
// to go on.
func (r *reader) document(data []byte, limit int) *yaml.Node {
	if limit <= 0 {
		limit = defaultMaxBytes
	}
	if len(data) > limit {
		r.add(SeverityError, position{}, "", finding{
			"file-size", fmt.Sprintf("the file has %d bytes, more than the %d that are allowed", len(data), limit),
			"keep data out of the step file",
		})
		return nil
	}
	if !r.utf8(data) {
		return nil
	}
	docs, err := decode(data)
	if err != nil {
		r.syntax(data, err)
		return nil
	}
	switch {
	case len(docs) == 0 || isEmpty(docs[0].Content[0]):
		r.add(SeverityError, position{1, 1}, "", finding{"file-empty", "the file is empty", "begin it with a list of steps: - step: ..."})
		return nil
	case len(docs) > 1:
		r.add(SeverityError, position{docs[1].Line, docs[1].Column}, "", finding{
			"yaml-documents", "a second document begins here, and only one is read", "remove the line ---, and keep one list",
		})
		return nil
	}
	root := docs[0].Content[0]
	if !r.inspect(root) {
		return nil
	}
	return root
}

func isEmpty(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style == 0 && n.Value == "" && n.Anchor == ""
}

// utf8 reports the first byte that isn't UTF-8.
func (r *reader) utf8(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		r.add(SeverityError, position{1, 1}, "", finding{"file-encoding", "the file is in UTF-16", "save it as UTF-8"})
		return false
	}
	if utf8.Valid(data) {
		return true
	}
	line, start := 1, 0
	for i := 0; i < len(data); {
		c, n := utf8.DecodeRune(data[i:])
		if c == utf8.RuneError && n == 1 {
			r.add(SeverityError, position{line, utf8.RuneCount(data[start:i]) + 1}, "", finding{
				"file-encoding", fmt.Sprintf("the byte 0x%02x is not UTF-8", data[i]), "save the file as UTF-8",
			})
			return false
		}
		i += n
		if c == '\n' {
			line, start = line+1, i
		}
	}
	return true
}

// decode gives the documents of data: none, one, or the first two. It uses only the
// parser of yaml.v3, no resolving and no aliases.
func decode(data []byte) (docs []*yaml.Node, err error) {
	defer func() {
		if v := recover(); v != nil { // a fault of the library is a syntax error to us
			docs, err = nil, fmt.Errorf("yaml: %v", v)
		}
	}()
	d := yaml.NewDecoder(bytes.NewReader(data))
	for len(docs) < 2 {
		var n yaml.Node
		err := d.Decode(&n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if len(n.Content) == 1 {
			docs = append(docs, &n)
		}
	}
	return docs, nil
}

// file reads the root: a list of maps with one key each.
func (r *reader) file(f *File, root *yaml.Node) {
	root = follow(root)
	if root.Kind != yaml.SequenceNode {
		r.add(SeverityError, at(root), "", finding{"type", "the file is " + r.describe(root) + ", not a list", "begin each entry with a dash: - step: ..."})
		return
	}
	p := &project{steps: map[string]*Step{}, tasks: map[string]string{}}
	p.broken = r.errors
	for i, item := range root.Content {
		r.item(p, item, fmt.Sprint(i))
	}
	for _, check := range p.later {
		check()
	}
	for _, s := range p.order {
		if p.steps[s.Name] == s {
			f.Steps = append(f.Steps, s)
		}
	}
}

// project is what a file has declared, for what refers to it.
type project struct {
	order []*Step
	steps map[string]*Step
	tasks map[string]string // task -> its step
	// taskNames are the first of them, for suggestions.
	taskNames []string
	names     map[string]position
	later     []func() // checks that need all the names
	// broken counts the errors of the tree itself, before is the count of all when an
	// entry began.
	broken, before int
}

// kinds are the keys that an entry may have.
func kinds() []string {
	return []string{"step", "task", "endpoint", "pipeline", "blueprint", "deployment"}
}

// item reads one entry of the file.
func (r *reader) item(p *project, n *yaml.Node, path string) {
	p.before = r.errors
	o, ok := r.object(n, path)
	if !ok {
		return
	}
	var found *entry
	for _, k := range kinds() {
		e := o.get(k)
		switch {
		case e == nil:
		case found == nil:
			found = e
		default:
			r.add(SeverityError, at(e.key), path, finding{
				"item", fmt.Sprintf("one entry holds both %s and %s", found.key.Value, k), "begin a new entry: - " + k + ":",
			})
		}
	}
	if found == nil {
		r.unknownItem(o, path)
		return
	}
	if isEmpty(follow(found.val)) && len(o.order) > 1 {
		r.add(SeverityError, at(found.key), path+"."+found.key.Value, finding{
			"item", "nothing belongs to " + found.key.Value + ", since the lines below it are not indented enough",
			"indent them by two more spaces than " + found.key.Value,
		})
		return
	}
	for _, name := range o.order {
		if e := o.entries[name]; !e.used {
			r.add(SeverityWarning, at(e.key), path, finding{"unknown-item", show(name) + " beside " + found.key.Value + " is ignored", "indent it below " + found.key.Value + ", or remove it"})
		}
	}
	r.read(p, found, path+"."+found.key.Value)
}

func (r *reader) unknownItem(o *object, path string) {
	f := finding{"unknown-item", "the entry is empty", "remove it"}
	where := at(o.node)
	if len(o.order) > 0 {
		first := o.order[0]
		where = at(o.entries[first].key)
		f.text = show(first) + " is not a kind of entry, and is ignored"
		f.remedy = r.suggest(first, kinds(), "kind")
	}
	r.add(SeverityWarning, where, path, f)
}

// read reads what stands under the key of an entry.
func (r *reader) read(p *project, e *entry, path string) {
	switch e.key.Value {
	case "step":
		r.step(p, e.val, path)
	case "task":
		r.task(p, e.val, path)
	case "endpoint":
		r.endpoint(p, e.val, path)
	case "deployment":
		r.deployment(p, e.val, path)
	default:
		r.pipeline(p, e.val, path)
	}
}

// named reports the second use of a name among entries of one kind, and adds the note
// that the entry is not run when it is no step.
func (r *reader) named(p *project, what, name string, o *object) {
	where := at(o.node)
	if e := o.entries["name"]; e != nil {
		where = at(e.val)
	}
	if what != "step" {
		r.notes.add(SeverityNote, where, o.path, finding{
			"not-run", strings.TrimSpace(what+" "+quoted(name)) + " is checked, but not run: Fairlead runs steps only", "",
		})
	}
	if name == "" {
		return
	}
	if p.names == nil {
		p.names = map[string]position{}
	}
	if first, ok := p.names[what+" "+name]; ok {
		r.add(SeverityWarning, where, o.path, finding{
			"duplicate-name", fmt.Sprintf("the %s name %s is used on line %d too, and the last one wins", what, show(name), first.line),
			"rename one of them",
		})
	}
	p.names[what+" "+name] = where
}

func quoted(name string) string {
	if name == "" {
		return ""
	}
	return show(name)
}
