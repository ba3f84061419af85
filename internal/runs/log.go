package runs

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"time"

	"fairlead.dev/fairlead"
)

// Piece is a piece of a run's log, with the run as it was then. Mark changes with the
// run.
type Piece struct {
	Lines []fairlead.LogLine
	Run   fairlead.Run
	Mark  string
}

// LogQuery asks for lines after one; with nothing new (no line, and the run as it was
// at Seen) it waits for something.
type LogQuery struct {
	After int64
	Limit int // 0 is 1000
	Wait  time.Duration
	Seen  string
}

// mostLines is how many come if no number is asked for.
const mostLines = 1000

// Log reads a run's log.
func (r *Runs) Log(ctx context.Context, who fairlead.Caller, p Path, q LogQuery) (Piece, error) {
	run, err := r.find(ctx, who, p, fairlead.RunRead)
	if err != nil {
		return Piece{}, err
	}
	if q.Limit == 0 {
		q.Limit = mostLines
	}
	waiting, cancel := context.WithTimeout(ctx, q.Wait)
	defer cancel()
	for {
		rung, done := r.bell.listen(run.ID)
		piece, err := r.piece(ctx, run.ID, q)
		if err != nil || len(piece.Lines) > 0 || piece.Mark != q.Seen || piece.Run.State.Final() || !wait(waiting, rung) {
			done()
			return piece, err
		}
		done()
	}
}

// piece reads the run first and the lines after it: a run that is final has all of its
// lines.
func (r *Runs) piece(ctx context.Context, id fairlead.RunID, q LogQuery) (Piece, error) {
	run, err := r.store.Run(ctx, id)
	if err != nil {
		return Piece{}, err
	}
	if err := r.sayWaiting(ctx, &run); err != nil {
		return Piece{}, err
	}
	lines, err := r.store.Log(ctx, id, q.After, q.Limit)
	return Piece{Lines: lines, Run: run, Mark: mark(run)}, err
}

// mark is a word for what people see of a run beside its log.
func mark(run fairlead.Run) string {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%s %d %t", run.State, run.Attempt, run.Pulled != nil)
	if run.Waiting != nil {
		_, _ = fmt.Fprint(h, run.Waiting.Why)
	}
	if run.Progress != nil {
		_, _ = fmt.Fprintf(h, "%+v", *run.Progress)
	}
	return strconv.FormatUint(h.Sum64(), 36)
}

// nextLine is the number that the log's next line gets.
func (r *Runs) nextLine(ctx context.Context, id fairlead.RunID) (int64, error) {
	last, err := r.store.LastLine(ctx, id)
	return last + 1, err
}
