package depot

import (
	"fmt"
	"hash/crc32"
	"os"
	"strconv"
	"strings"

	"fairlead.dev/fairlead"
)

// Journals are lines of words, each line with its own checksum in front. They are
// appended to and never synced: a line that a crash has torn ends what is believed, and
// the bytes that lines speak of are checked before anybody trusts them.

func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// sealed is a line with its checksum.
func sealed(words ...string) string {
	line := strings.Join(words, " ")
	return fmt.Sprintf("%08x %s\n", crc32.Checksum([]byte(line), castagnoli()), line)
}

// unsealed gives the words of a line, without its line break; nil if it is damaged.
func unsealed(line string) []string {
	check, rest, ok := strings.Cut(line, " ")
	if !ok || check != fmt.Sprintf("%08x", crc32.Checksum([]byte(rest), castagnoli())) {
		return nil
	}
	return strings.Split(rest, " ")
}

// record is what a journal of chunks says.
type record struct {
	size  int64 // or unknown
	cell  int64
	cells map[int]uint32 // the checksum of each cell that is there
}

const (
	chunkWord = "chunks"
	sizeWord  = "size"
	cellWord  = "cell"
	minCell   = 512
	maxCell   = 1 << 30
)

// parseRecord reads the journal of a digest as far as it is sound, and says how far that
// is; nil if not even its beginning is.
func parseRecord(digest fairlead.Digest, text string) (r *record, sound int64) {
	for {
		line, _, ended := strings.Cut(text[sound:], "\n")
		if !ended {
			return r, sound
		}
		words := unsealed(line)
		switch {
		case r == nil:
			if r = parseHead(digest, words); r == nil {
				return nil, 0
			}
		case len(words) == 2 && words[0] == sizeWord:
			size, err := strconv.ParseInt(words[1], 10, 64)
			if err != nil || size < 0 || r.size >= 0 {
				return r, sound
			}
			r.size = size
		case len(words) == 3 && words[0] == cellWord:
			i, err1 := strconv.ParseInt(words[1], 10, 32)
			crc, err2 := strconv.ParseUint(words[2], 16, 32)
			if err1 != nil || err2 != nil || i < 0 {
				return r, sound
			}
			r.cells[int(i)] = uint32(crc)
		default:
			return r, sound
		}
		sound += int64(len(line)) + 1
	}
}

// parseHead reads "chunks 1 <digest> <bytes of a cell>".
func parseHead(digest fairlead.Digest, words []string) *record {
	if len(words) != 4 || words[0] != chunkWord || words[1] != "1" || words[2] != string(digest) {
		return nil
	}
	cell, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil || cell < minCell || cell > maxCell {
		return nil
	}
	return &record{size: unknown, cell: cell, cells: map[int]uint32{}}
}

// journal is of one blob that arrives. A journal that can't be written costs a later
// fetch and nothing else, so it stops at the first error. Under the mutex of its flight.
type journal struct{ file *os.File }

// newJournal begins a journal, with what is known already.
func newJournal(path string, digest fairlead.Digest, r *record) *journal {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // A file of the depot's own.
	if err != nil {
		return &journal{}
	}
	j := &journal{f}
	var b strings.Builder
	b.WriteString(sealed(chunkWord, "1", string(digest), strconv.FormatInt(r.cell, 10)))
	if r.size >= 0 {
		b.WriteString(sizeLine(r.size))
	}
	for i, crc := range r.cells {
		b.WriteString(cellLine(i, crc))
	}
	j.add(b.String())
	return j
}

// resumeJournal goes on with a journal behind what is sound of it.
func resumeJournal(path string, sound int64) *journal {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0o600) //nolint:gosec // A file of the depot's own.
	if err != nil {
		return &journal{}
	}
	if err := f.Truncate(sound); err != nil {
		_ = f.Close()
		return &journal{}
	}
	return &journal{f}
}

func sizeLine(size int64) string { return sealed(sizeWord, strconv.FormatInt(size, 10)) }

func cellLine(i int, crc uint32) string {
	return sealed(cellWord, strconv.Itoa(i), strconv.FormatUint(uint64(crc), 16))
}

func (j *journal) add(lines string) {
	if j.file == nil {
		return
	}
	if _, err := j.file.WriteString(lines); err != nil {
		j.close()
	}
}

func (j *journal) close() {
	if j.file != nil {
		_ = j.file.Close()
		j.file = nil
	}
}
