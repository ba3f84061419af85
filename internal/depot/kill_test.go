package depot_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"testing"

	"fairlead.dev/fairlead/internal/depot"
)

const (
	killedSize = 300*cell + 77
	kills      = 50
)

// fillUntilKilled fetches a blob, and tells of each piece that the upstream is about to
// give.
func fillUntilKilled(dir, seed string) {
	var n uint64
	_, _ = fmt.Sscan(seed, &n)
	o := options(dir)
	o.Parallel, o.MaxParallel = 4, 4
	d, err := depot.Open(context.Background(), o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	want := bytesOf(killedSize, n)
	u := serving(want)
	u.piece = 1000
	u.gate = make(chan struct{})
	go func() {
		for {
			u.gate <- struct{}{}
			fmt.Println(u.gave())
		}
	}()
	_, err = pull(context.Background(), d, sha256Of(want), u)
	fmt.Println("done", err)
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// TestKilled kills a process that fills a depot, at random points: the next one fetches
// less than a chunk again, and has the right bytes.
func TestKilled(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(kills) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			given := killedAt(t, exec.CommandContext(t.Context(), self, "fill-until-killed", dir, fmt.Sprint(seed)), rand.New(rand.NewPCG(seed, 3)).IntN(killedSize/1000))
			want := bytesOf(killedSize, seed)
			u := serving(want)
			d := open(t, options(dir))
			same(t, d, want, u)
			if again := given + u.gave() - killedSize; again > chunk {
				t.Errorf("after %d bytes, %d more were fetched: %d again", given, u.gave(), again)
			}
			settled(t, d)
			same(t, d, want, nil)
		})
	}
}

// killedAt kills a process when its upstream has given so many pieces, and says how many
// bytes it had given.
func killedAt(t *testing.T, cmd *exec.Cmd, pieces int) (given int64) {
	t.Helper()
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		if lines.Text() == "done <nil>" {
			_ = cmd.Process.Kill()
			break
		}
		if _, err := fmt.Sscan(lines.Text(), &given); err != nil {
			t.Fatalf("the process says %s", lines.Text())
		}
		if n == pieces {
			_ = cmd.Process.Kill()
		}
	}
	_ = cmd.Wait()
	return given
}
