package depot

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"fairlead.dev/fairlead"
)

// FuzzChunks does to a chunk map what requests do, in any order, beside a model that has
// a byte for a byte.
func FuzzChunks(f *testing.F) {
	f.Add(uint16(5000), false, []byte{0, 40, 1, 200, 0, 90, 3, 0, 1, 255, 1, 255, 2, 0, 4, 9})
	f.Add(uint16(1024), true, []byte{0, 0, 1, 255, 1, 255, 2, 0, 0, 0, 1, 9, 5, 0, 1, 255})
	f.Fuzz(func(t *testing.T, size uint16, late bool, moves []byte) {
		m := &model{size: int64(size), have: make([]byte, size)}
		if late {
			m.c = newChunks(unknown, minCell)
		} else {
			m.c = newChunks(m.size, minCell)
		}
		for len(moves) >= 2 {
			m.move(t, moves[0], int64(moves[1]))
			m.check(t)
			moves = moves[2:]
		}
		m.finish(t)
	})
}

type model struct {
	c      *chunks
	size   int64
	have   []byte // how often each byte was written
	claims []*claim
}

func (m *model) move(t *testing.T, what byte, n int64) {
	t.Helper()
	pick := func() *claim {
		if len(m.claims) == 0 {
			return nil
		}
		return m.claims[int(n)%len(m.claims)]
	}
	switch what % 7 {
	case 0:
		if m.c.size < 0 && len(m.claims) > 0 {
			return
		}
		if cl := m.c.take(n * 32); cl != nil {
			m.claims = append(m.claims, cl)
		}
	case 1:
		m.write(pick(), n*3)
	case 2:
		if cl := pick(); cl != nil {
			m.c.release(cl)
			m.claims = append(m.claims[:int(n)%len(m.claims)], m.claims[int(n)%len(m.claims)+1:]...)
		}
	case 3:
		if cl := pick(); cl != nil {
			m.c.extend(cl, n*64)
		}
	case 4:
		if cl := pick(); cl != nil && cl.to >= 0 && cl.pos < cl.to {
			m.c.shorten(cl)
		}
	case 5:
		if m.c.size < 0 {
			if !m.c.learn(m.size) {
				t.Fatal("the size is refused")
			}
			for _, cl := range m.claims {
				m.c.limit(cl, n*64)
			}
		}
	case 6:
		if i := int(n); m.c.size >= 0 && len(m.claims) == 0 && i < len(m.c.state) && m.c.begun[i].n == 0 && m.c.restored(i) {
			good := n%2 == 0
			m.c.checked(i, good)
			for at := int64(i) * minCell; good && at < m.c.end(i); at++ {
				m.have[at]++
			}
		}
	}
}

func (m *model) write(cl *claim, n int64) {
	if cl == nil || cl.pos == cl.to {
		return
	}
	n = min(n, m.c.room(cl), m.size-cl.pos)
	if n <= 0 {
		return
	}
	for i := range n {
		m.have[cl.pos+i]++
	}
	m.c.wrote(cl, n, 0)
}

func (m *model) check(t *testing.T) {
	t.Helper()
	if most := bytes.IndexFunc(m.have, func(r rune) bool { return r > 1 }); most >= 0 {
		t.Fatalf("byte %d was written twice", most)
	}
	mark := int64(len(m.have))
	if i := bytes.IndexByte(m.have, 0); i >= 0 {
		mark = int64(i)
	}
	if m.c.watermark() != mark {
		t.Fatalf("the watermark is %d, want %d", m.c.watermark(), mark)
	}
	if have := int64(bytes.Count(m.have, []byte{1})); m.c.have() != have {
		t.Fatalf("there are %d bytes, want %d", m.c.have(), have)
	}
}

// finish lets everything that is missing come: it can.
func (m *model) finish(t *testing.T) {
	t.Helper()
	for _, cl := range m.claims {
		m.c.release(cl)
	}
	m.claims = nil
	if m.c.size < 0 && !m.c.learn(m.size) {
		t.Fatal("the size is refused")
	}
	for cl := m.c.take(1); cl != nil; cl = m.c.take(1) {
		for cl.pos < cl.to {
			m.write(cl, m.size)
		}
		m.check(t)
	}
	if !m.c.whole() || m.c.watermark() != m.size {
		t.Fatalf("%d of %d bytes", m.c.watermark(), m.size)
	}
}

const someDigest = fairlead.Digest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")

// FuzzRecord reads journals of chunks: what is read can be written and read again, and
// what is appended behind the sound part is read too.
func FuzzRecord(f *testing.F) {
	f.Add(sealed(chunkWord, "1", string(someDigest), "512") + sizeLine(2000) + cellLine(0, 7) + cellLine(3, 1<<31) + "torn")
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		r, sound := parseRecord(someDigest, text)
		if r == nil {
			if sound != 0 {
				t.Fatal("nothing is sound")
			}
			return
		}
		before := len(r.cells)
		_, had := r.cells[9]
		again, end := parseRecord(someDigest, text[:sound]+cellLine(9, 5))
		if again == nil || again.cells[9] != 5 || again.size != r.size || end <= sound || !had && len(again.cells) != before+1 {
			t.Fatalf("%+v, then %+v", r, again)
		}
	})
}

// FuzzLedger reads ledgers; a line that is damaged takes no other with it.
func FuzzLedger(f *testing.F) {
	f.Add(sealed(keepWord, string(someDigest), "5", "1700000000")+ownerLine(pinWord, someDigest, "a b"), "x\n")
	f.Fuzz(func(t *testing.T, text, torn string) {
		for digest, r := range parseLedger(text) {
			if checkDigest(digest) != nil || r.size < unknown {
				t.Fatalf("%q: %+v", digest, r)
			}
		}
		torn = strings.ReplaceAll(torn, "\n", " ")
		all := parseLedger(torn + "\n" + sealed(keepWord, string(someDigest), "5", "1700000000") + ownerLine(pinWord, someDigest, "a b%\n"))
		if r := all[someDigest]; r == nil || r.size != 5 || !r.pins["a b%\n"] {
			t.Fatalf("%+v", r)
		}
	})
}

// TestTuner finds how many requests at once bring the most.
func TestTuner(t *testing.T) {
	t.Parallel()
	for _, best := range []int{4, 9, 16} {
		tune := newTuner(Options{}.filled())
		for range 60 {
			tune.step(float64(min(tune.limit, best)) * 10e6)
		}
		if tune.limit < best || tune.limit > best+1 {
			t.Errorf("%d at once, and %d are best", tune.limit, best)
		}
		tune.refused()
		if tune.limit > best/2+1 {
			t.Errorf("%d at once after it was too much", tune.limit)
		}
		for range 20 {
			tune.cut()
		}
		if tune.limit != 1 {
			t.Errorf("%d at once after cuts", tune.limit)
		}
	}
}

// TestAllocated counts what a file takes, and not its holes.
func TestAllocated(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := f.WriteAt(make([]byte, 4096), 1<<30); err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if n := allocated(info); n < 0 || n > 1<<20 {
		t.Errorf("a sparse file takes %d bytes", n)
	}
}
