package depot

import "slices"

// A blob is a row of cells, all of one size but the last. The journal counts in cells:
// what a crash loses is a part of one for each request under way. A claim is the run of
// cells that one request brings.

// state is that of a cell.
type state uint8

const (
	missing state = iota
	claimed
	unchecked // the journal has it; the disk hasn't been asked yet
	held
)

const unknown = -1

// chunks is which bytes of a blob are there. Each byte is written at most once: whoever
// was given it has what the digest is made of.
type chunks struct {
	size  int64 // or unknown
	cell  int64
	state []state
	begun map[int]begun // cells that are there in part, claimed or not
	mark  int           // the first cell that isn't held
	low   int           // no cell before it is missing
	held  int64         // bytes in cells that are held
}

// begun is the beginning of a cell.
type begun struct {
	n   int64
	crc uint32
}

// claim is bytes that somebody fetches.
type claim struct {
	pos int64 // the next byte
	to  int64 // or unknown
	crc uint32
}

func newChunks(size, cell int64) *chunks {
	c := &chunks{size: unknown, cell: cell, begun: map[int]begun{}}
	if size >= 0 {
		c.learn(size)
	}
	return c
}

// learn sets the size. It is false if the blob has more bytes already.
func (c *chunks) learn(size int64) bool {
	if c.reached() > size {
		return false
	}
	n := int((size + c.cell - 1) / c.cell)
	c.state = c.state[:min(n, len(c.state))] // what is behind has no byte
	c.size = size
	c.state = append(c.state, make([]state, n-len(c.state))...)
	if n > 0 && c.state[n-1] != held {
		c.close(n - 1) // its last byte may be there already
	}
	return true
}

// reached is where the bytes end that are there or begun.
func (c *chunks) reached() int64 {
	for i, s := range slices.Backward(c.state) {
		if s == held {
			return c.end(i)
		}
		if b, ok := c.begun[i]; ok && b.n > 0 {
			return int64(i)*c.cell + b.n
		}
	}
	return 0
}

// end is where a cell ends.
func (c *chunks) end(i int) int64 {
	end := int64(i+1) * c.cell
	if c.size >= 0 {
		end = min(end, c.size)
	}
	return end
}

// take claims the first missing bytes, at most about most of them; nil if none are
// missing. While the size is unknown, the claim has no end.
func (c *chunks) take(most int64) *claim {
	for c.low < len(c.state) && c.state[c.low] != missing {
		c.low++
	}
	if c.low == len(c.state) {
		if c.size >= 0 {
			return nil
		}
		c.state = append(c.state, missing)
	}
	first := c.low
	b := c.begun[first]
	cl := &claim{pos: int64(first)*c.cell + b.n, crc: b.crc, to: unknown}
	c.state[first] = claimed
	if c.size < 0 {
		return cl
	}
	cl.to = c.end(first)
	c.extend(cl, most)
	return cl
}

// extend lets a claim go on over the missing cells behind it, until it has about most
// bytes to go, or comes to a cell of which there is something.
func (c *chunks) extend(cl *claim, most int64) {
	if cl.to < 0 {
		return
	}
	for i := int((cl.to + c.cell - 1) / c.cell); i < len(c.state) && c.state[i] == missing && cl.to-cl.pos+c.cell <= most; i++ {
		if c.begun[i].n > 0 {
			return
		}
		c.state[i] = claimed
		cl.to = c.end(i)
	}
}

// limit ends a claim that had no end, once the size is known.
func (c *chunks) limit(cl *claim, most int64) {
	if cl.to >= 0 || c.size < 0 {
		return
	}
	i := int(cl.pos / c.cell)
	if i >= len(c.state) {
		cl.to = c.size
		return
	}
	cl.to = c.end(i)
	c.extend(cl, most)
}

// shorten takes from a claim what lies behind the cell that it is at.
func (c *chunks) shorten(cl *claim) {
	i := int(cl.pos / c.cell)
	for j := i + 1; j < len(c.state) && c.end(j) <= cl.to; j++ {
		c.state[j] = missing
		c.low = min(c.low, j)
	}
	cl.to = min(cl.to, c.end(i))
}

// room is how many bytes may be written for a claim at once: to the end of a cell.
func (c *chunks) room(cl *claim) int64 {
	end := (cl.pos/c.cell + 1) * c.cell
	if cl.to >= 0 {
		end = min(end, cl.to)
	}
	return end - cl.pos
}

// wrote counts n bytes more of a claim, at most [chunks.room]; crc is that of the cell
// up to them. It gives the cell if that made it whole.
func (c *chunks) wrote(cl *claim, n int64, crc uint32) (cell int, whole bool) {
	i := int(cl.pos / c.cell)
	if i == len(c.state) {
		c.state = append(c.state, claimed)
	}
	cl.pos += n
	cl.crc = crc
	c.begun[i] = begun{cl.pos - int64(i)*c.cell, crc}
	if !c.close(i) {
		return i, false
	}
	cl.crc = 0
	return i, true
}

// close makes a cell held if all of it is there.
func (c *chunks) close(i int) bool {
	from := int64(i) * c.cell
	if n := c.begun[i].n; n == 0 || from+n != c.end(i) {
		return false
	}
	delete(c.begun, i)
	c.hold(i)
	return true
}

func (c *chunks) hold(i int) {
	c.state[i] = held
	c.held += c.end(i) - int64(i)*c.cell
	for c.mark < len(c.state) && c.state[c.mark] == held {
		c.mark++
	}
}

// release gives back what a claim hasn't brought. What it has brought stays.
func (c *chunks) release(cl *claim) {
	for i := int(cl.pos / c.cell); i < len(c.state) && (cl.to < 0 || int64(i)*c.cell < cl.to); i++ {
		if c.state[i] == claimed {
			c.state[i] = missing
			c.low = min(c.low, i)
		}
	}
}

// restored says that the journal has a cell; false if it can't.
func (c *chunks) restored(i int) bool {
	if i < 0 || i >= len(c.state) || c.state[i] != missing {
		return false
	}
	c.state[i] = unchecked
	return true
}

// checked says whether a cell that was restored is there indeed.
func (c *chunks) checked(i int, good bool) {
	if good {
		c.hold(i)
		return
	}
	c.state[i] = missing
	c.low = min(c.low, i)
}

// watermark is where the bytes end that are there without a hole from the first on.
func (c *chunks) watermark() int64 {
	at := int64(c.mark) * c.cell
	if c.size >= 0 {
		at = min(at, c.size)
	}
	return at + c.begun[c.mark].n
}

// have is how many bytes are there.
func (c *chunks) have() int64 {
	n := c.held
	for _, b := range c.begun {
		n += b.n
	}
	return n
}

// lacks reports whether bytes are missing that nobody has claimed.
func (c *chunks) lacks() bool {
	for c.low < len(c.state) && c.state[c.low] != missing {
		c.low++
	}
	return c.low < len(c.state) || c.size < 0
}

// lack is about how many bytes are missing that nobody has claimed.
func (c *chunks) lack() int64 {
	var n int64
	for i := c.low; i < len(c.state); i++ {
		if c.state[i] == missing {
			n += c.cell
		}
	}
	return n
}

// unproven gives the first cell from i on that the journal has and nobody has checked.
func (c *chunks) unproven(i int) (int, bool) {
	for ; i < len(c.state); i++ {
		if c.state[i] == unchecked {
			return i, true
		}
	}
	return 0, false
}

func (c *chunks) whole() bool { return c.size >= 0 && c.held == c.size }
