package sqlstore

import (
	"context"
	"fmt"
	"math"

	"fairlead.dev/fairlead"
)

// Log gives the lines after seq, at most limit. Only the chunks that hold them are
// read.
func (q reader) Log(ctx context.Context, id fairlead.RunID, after int64, limit int) ([]fairlead.LogLine, error) {
	const doing = "reading log"
	if limit <= 0 {
		return nil, nil
	}
	after = max(after, 0)
	last := after + int64(limit)
	if last < after { // beyond what can be counted
		last = math.MaxInt64
	}
	var list []fairlead.LogLine
	err := q.each(ctx, doing, "Log", func(r row) error {
		var first int64
		var packed []byte
		if err := r.Scan(&first, &packed); err != nil {
			return err
		}
		lines, err := q.packer.unpack(packed, first, after, limit-len(list))
		list = append(list, lines...)
		if err != nil {
			return fmt.Errorf("chunk %d: %w", first, err)
		}
		return nil
	}, id, after+1, last)
	if err != nil {
		return nil, err
	}
	return list, nil
}

// LastLine is the number of the last line, 0 if there is none.
func (q reader) LastLine(ctx context.Context, id fairlead.RunID) (int64, error) {
	return value[int64](ctx, q.session, "reading log", "LastLine", id)
}

// AppendLog adds lines: NotFound without the run, Conflict (CodeFence) for another
// fence than the run's, and Conflict for lines that don't follow each other and those
// that are there.
func (s *Store) AppendLog(ctx context.Context, id fairlead.RunID, fence int64, lines []fairlead.LogLine) error {
	const doing = "appending to log"
	for i, l := range lines {
		if l.Seq < 1 || l.Seq != lines[0].Seq+int64(i) {
			return gap(doing, l.Seq)
		}
	}
	for len(lines) > 0 {
		n := chunk(lines)
		if err := s.appendChunk(ctx, doing, id, fence, lines[:n]); err != nil {
			return err
		}
		lines = lines[n:]
	}
	return nil
}

// appendChunk adds one chunk with one statement, and only if that does nothing looks
// for the reason.
func (s *Store) appendChunk(ctx context.Context, doing string, id fairlead.RunID, fence int64, lines []fairlead.LogLine) error {
	for {
		first, last := lines[0].Seq, lines[len(lines)-1].Seq
		n, err := s.write.change(ctx, doing, "AddChunk", id, fence, first, last, s.packer.pack(lines))
		if err != nil || n > 0 {
			return err
		}
		stored, err := one(ctx, s.session, doing, "LogEnd", scanLogEnd, id)
		switch {
		case isMissing(err):
			return missing(doing, "run")
		case err != nil:
			return err
		case stored.fence != fence:
			return fenced(doing)
		case stored.last >= last: // all are there
			return nil
		case stored.last < first-1:
			return gap(doing, first)
		}
		lines = lines[stored.last+1-first:] // somebody else was adding them too
	}
}

type logEnd struct{ fence, last int64 }

func scanLogEnd(r row) (e logEnd, err error) {
	err = r.Scan(&e.fence, &e.last)
	return e, err
}

func gap(doing string, seq int64) error {
	return conflict(doing, "", fmt.Sprintf("line %d doesn't follow the line before it", seq), "send the lines between them first")
}
