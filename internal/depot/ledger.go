package depot

import (
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
)

// ledger is what a depot remembers of its blobs beside their bytes. The order of its
// lines is the order of use; times in it are for people only, so that a clock that jumps
// changes nothing. That a blob is whole is said by its file, not by the ledger.
type ledger struct {
	path  string
	file  *os.File
	lines int
}

const (
	keepWord  = "keep"  // keep <digest> <size> <unix time>
	useWord   = "use"   // use <digest> <owner> <unix time>
	pinWord   = "pin"   // pin <digest> <owner>
	unpinWord = "unpin" // unpin <digest> <owner>
	leaveWord = "leave" // leave <digest> <owner>
	goneWord  = "gone"  // gone <digest>
)

// remembered is what a ledger says of a blob.
type remembered struct {
	size          int64
	created, used time.Time
	order         int
	owners        map[Owner]int // by the order of use
	pins          map[Owner]bool
}

// parseLedger reads all that is sound: a line that is torn or damaged takes nothing with
// it but itself.
func parseLedger(text string) map[fairlead.Digest]*remembered {
	all := map[fairlead.Digest]*remembered{}
	n := 0
	for line := range strings.Lines(text) {
		words := unsealed(strings.TrimSuffix(line, "\n"))
		if len(words) < 2 || checkDigest(fairlead.Digest(words[1])) != nil {
			continue
		}
		n++
		digest := fairlead.Digest(words[1])
		if words[0] == goneWord {
			delete(all, digest)
			continue
		}
		r := all[digest]
		if r == nil {
			r = &remembered{size: unknown, owners: map[Owner]int{}, pins: map[Owner]bool{}}
			all[digest] = r
		}
		r.read(words, n)
	}
	return all
}

func (r *remembered) read(words []string, n int) {
	switch {
	case words[0] == keepWord && len(words) == 4:
		size, err1 := strconv.ParseInt(words[2], 10, 64)
		at, err2 := strconv.ParseInt(words[3], 10, 64)
		if err1 == nil && err2 == nil && size >= 0 {
			r.size, r.created, r.order = size, time.Unix(at, 0), n
		}
	case words[0] == useWord && len(words) == 4:
		owner, err1 := url.QueryUnescape(words[2])
		at, err2 := strconv.ParseInt(words[3], 10, 64)
		if err1 == nil && err2 == nil {
			r.owners[Owner(owner)], r.used, r.order = n, time.Unix(at, 0), n
		}
	case words[0] == pinWord && len(words) == 3:
		if owner, err := url.QueryUnescape(words[2]); err == nil {
			r.pins[Owner(owner)] = true
		}
	case words[0] == unpinWord && len(words) == 3:
		if owner, err := url.QueryUnescape(words[2]); err == nil {
			delete(r.pins, Owner(owner))
		}
	case words[0] == leaveWord && len(words) == 3:
		if owner, err := url.QueryUnescape(words[2]); err == nil {
			delete(r.owners, Owner(owner))
		}
	}
}

func keepLine(digest fairlead.Digest, size int64, at time.Time) string {
	return sealed(keepWord, string(digest), strconv.FormatInt(size, 10), strconv.FormatInt(at.Unix(), 10))
}

func useLine(digest fairlead.Digest, o Owner, at time.Time) string {
	return sealed(useWord, string(digest), url.QueryEscape(string(o)), strconv.FormatInt(at.Unix(), 10))
}

func ownerLine(word string, digest fairlead.Digest, o Owner) string {
	return sealed(word, string(digest), url.QueryEscape(string(o)))
}

func ledgerPath(dir string) string { return filepath.Join(dir, "ledger") }

// newLedger writes a ledger anew, the least recently used first, and goes on with it.
func newLedger(dir string, entries []*entry) (*ledger, error) {
	var b strings.Builder
	lines := 0
	for _, e := range entries {
		b.WriteString(keepLine(e.digest, e.size, e.created))
		for _, o := range slices.SortedFunc(maps.Keys(e.owners), func(x, y Owner) int { return int(e.owners[x]) - int(e.owners[y]) }) {
			b.WriteString(useLine(e.digest, o, e.used))
			lines++
		}
		for o := range e.pins {
			b.WriteString(ownerLine(pinWord, e.digest, o))
			lines++
		}
		lines++
	}
	path := ledgerPath(dir)
	tmp := path + ".new"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // A file of the depot's own.
	if err != nil {
		return nil, err
	}
	if _, err = f.WriteString(b.String()); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(tmp, path)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		_ = f.Close()
		_ = os.Remove(tmp)
		return nil, err
	}
	return &ledger{path: path, file: f, lines: lines}, nil
}

func (l *ledger) add(line string) error {
	l.lines++
	_, err := l.file.WriteString(line)
	return err
}

// long reports whether writing the ledger anew would make it much shorter.
func (l *ledger) long(entries int) bool { return l.lines > 4096+8*entries }

func (l *ledger) close() error { return l.file.Close() }
