package cache

import (
	"bufio"
	"cmp"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// Catalog remembers under which names images were pulled through the gateway, for whom,
// and when last: the depot knows digests alone. It is a file beside the depot, which
// decides nothing: what is lost of it is only called by its name again when it is pulled
// again.
type Catalog struct {
	path string

	mu      sync.Mutex
	records map[name]*record
	file    *os.File
	lines   int
}

// name is what an image is called, by one organization ("": personal projects).
type name struct {
	organization fairlead.OrganizationID
	resource     ref.Resource
	reference    string // a tag, or a digest
}

// record is what a name stands for.
type record struct {
	digest fairlead.Digest
	used   *atomic.Int64 // Unix time, in seconds
	noted  int64         // used, as it stands in the file
}

// line is a record as it stands in the file: a JSON object a line, the last one of a name
// wins. One without a digest takes the name away.
type line struct {
	Organization fairlead.OrganizationID `json:"o,omitempty"`
	Host         string                  `json:"h"`
	Repository   string                  `json:"r"`
	Reference    string                  `json:"t"`
	Digest       fairlead.Digest         `json:"d,omitempty"`
	Used         int64                   `json:"u,omitempty"`
}

const (
	// mostRecords bounds the names that are remembered: the least recently used go first.
	mostRecords = 100_000
	maxLine     = 4096
	// noteAfter is how much later the use of a name has to be for being written down.
	noteAfter = 60
)

// OpenCatalog reads the catalog of a directory, and goes on with it. A line that is torn
// or damaged takes nothing with it but itself. [fairlead.Unavailable]
func OpenCatalog(dir string) (*Catalog, error) {
	c := &Catalog{path: filepath.Join(dir, "images"), records: map[name]*record{}}
	f, err := os.Open(c.path)
	switch {
	case err == nil:
		s := bufio.NewScanner(f)
		s.Buffer(nil, maxLine)
		for s.Scan() {
			c.read(s.Bytes())
		}
		_ = f.Close()
	case !errors.Is(err, fs.ErrNotExist):
		return nil, c.failed("reading", err)
	}
	return c, c.rewrite()
}

func (c *Catalog) failed(doing string, err error) error {
	return &fairlead.Error{Kind: fairlead.Unavailable, What: doing + " the gateway's catalog " + c.path, Why: err.Error(), Remedy: "see that the directory may be written to, and the disk isn't full"}
}

func (c *Catalog) read(text []byte) {
	var l line
	if json.Unmarshal(text, &l) != nil || l.Host == "" || l.Repository == "" || l.Reference == "" {
		return
	}
	k := name{l.Organization, ref.Resource{Host: l.Host, Repository: l.Repository}, l.Reference}
	if ref.CheckDigest(string(l.Digest)) != nil {
		delete(c.records, k)
		return
	}
	r := &record{digest: l.Digest, used: &atomic.Int64{}, noted: l.Used}
	r.used.Store(l.Used)
	c.records[k] = r
}

func lineOf(k name, r *record) line {
	return line{k.organization, k.resource.Host, k.resource.Repository, k.reference, r.digest, r.used.Load()}
}

// rewrite writes the file anew, and goes on with it. Under c.mu, if others know of it.
func (c *Catalog) rewrite() error {
	tmp := c.path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // A file of the gateway's own.
	if err != nil {
		return c.failed("writing", err)
	}
	w := bufio.NewWriter(f)
	e := json.NewEncoder(w)
	for k, r := range c.records {
		l := lineOf(k, r)
		r.noted = l.Used
		_ = e.Encode(l) // an error shows at the flush
	}
	if err = w.Flush(); err == nil {
		err = os.Rename(tmp, c.path)
	}
	if err != nil {
		return errors.Join(c.failed("writing", err), f.Close(), os.Remove(tmp))
	}
	if c.file != nil {
		_ = c.file.Close()
	}
	c.file, c.lines = f, len(c.records)
	return nil
}

// Seen notes that an organization has an image under a name now, and gives where its use
// is noted: Unix time, in seconds. What a tag stood for before is known by its digest
// from now on.
func (c *Catalog) Seen(org fairlead.OrganizationID, r ref.Resource, reference string, digest fairlead.Digest) *atomic.Int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := name{org, r, reference}
	known := c.records[k]
	if known != nil && known.digest == digest {
		return known.used
	}
	if known != nil && reference != string(known.digest) {
		old := name{org, r, string(known.digest)}
		if c.records[old] == nil {
			c.put(old, &record{digest: known.digest, used: &atomic.Int64{}}, known.used.Load())
		}
	}
	fresh := &record{digest: digest, used: &atomic.Int64{}}
	c.put(k, fresh, 0)
	return fresh.used
}

// put adds a record. What can't be written is tried again with the next round. Under c.mu.
func (c *Catalog) put(k name, r *record, used int64) {
	r.used.Store(used)
	c.records[k] = r
	_ = c.write(lineOf(k, r))
}

func (c *Catalog) write(l line) error {
	b, err := json.Marshal(l)
	if err == nil {
		c.lines++
		_, err = c.file.Write(append(b, '\n'))
	}
	return err
}

// forget takes names away. Under c.mu.
func (c *Catalog) forget(list ...name) {
	for _, k := range list {
		delete(c.records, k)
		_ = c.write(line{Organization: k.organization, Host: k.resource.Host, Repository: k.resource.Repository, Reference: k.reference})
	}
}

// known is a name and what it stands for, as they are at a time.
type known struct {
	name
	digest fairlead.Digest
	used   time.Time
}

// all lists what is known, for one organization or for all.
func (c *Catalog) all(org fairlead.OrganizationID, everybody bool) []known {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []known
	for k, r := range c.records {
		if everybody || k.organization == org {
			list = append(list, known{k, r.digest, time.Unix(r.used.Load(), 0).UTC()})
		}
	}
	return list
}

// round writes down what was used, and gives it; names that are too many go.
func (c *Catalog) round() ([]known, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var used []known
	var err error
	for k, r := range c.records {
		l := lineOf(k, r)
		if l.Used-r.noted < noteAfter && r.noted != 0 {
			continue
		}
		if e := c.write(l); e != nil {
			err = c.failed("writing", e)
			break
		}
		r.noted = l.Used
		used = append(used, known{k, r.digest, time.Unix(l.Used, 0).UTC()})
	}
	if more := len(c.records) - mostRecords; more > 0 {
		c.forget(c.oldest(more)...)
	}
	if c.lines > 4096+4*len(c.records) {
		err = errors.Join(err, c.rewrite())
	}
	return used, err
}

// oldest gives the n names that weren't used for the longest time. Under c.mu.
func (c *Catalog) oldest(n int) []name {
	list := make([]name, 0, len(c.records))
	for k := range c.records {
		list = append(list, k)
	}
	slices.SortFunc(list, func(a, b name) int { return cmp.Compare(c.records[a].used.Load(), c.records[b].used.Load()) })
	return list[:n]
}

// Close writes down what was used, and closes the file.
func (c *Catalog) Close() error {
	_, err := c.round()
	return errors.Join(err, c.file.Close())
}
