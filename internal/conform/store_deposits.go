package conform

import (
	"sync"
	"time"

	"fairlead.dev/fairlead"
)

func testDuties(t tester, h house) {
	const name = "fetch sha256:a"
	take := func(holder string, until, now time.Time) fairlead.Duty {
		t.Helper()
		return ok(h.TakeDuty(t.Context(), fairlead.Duty{Name: name, Holder: holder, Address: "http://" + holder, Until: until}, now))(t)
	}
	has := func(holder string, until time.Time) fairlead.Duty {
		return fairlead.Duty{Name: name, Holder: holder, Address: "http://" + holder, Until: until}
	}
	same(t, "a free one is taken", take("one", fine(at(10)), at(0)), has("one", fine(at(10))))
	same(t, "another's isn't", take("two", at(12), at(2)), has("one", at(10)))
	same(t, "one's own is renewed", take("one", at(20), at(5)), has("one", at(20)))
	same(t, "not a moment too early", take("two", at(30), at(19)), has("one", at(20)))
	same(t, "one whose time is over is taken", take("two", at(30), at(20)), has("two", at(30)))
	same(t, "and who had it sees that", take("one", at(40), at(21)), has("two", at(30)))
	leave := func(holder string) {
		t.Helper()
		if err := h.LeaveDuty(t.Context(), name, holder); err != nil {
			t.Error(err)
		}
	}
	leave("one")
	same(t, "only the holder leaves it", take("one", at(40), at(21)), has("two", at(30)))
	leave("two")
	leave("two")
	same(t, "one that was left is taken", take("one", at(40), at(21)), has("one", at(40)))
	same(t, "other duties are others'", ok(h.TakeDuty(t.Context(), fairlead.Duty{Name: "another", Holder: "two", Until: at(50)}, at(21)))(t),
		fairlead.Duty{Name: "another", Holder: "two", Until: at(50)})
	if err := h.SweepDuties(t.Context(), at(41)); err != nil {
		t.Error(err)
	}
	same(t, "one that was swept is free", take("two", at(42), at(22)), has("two", at(42)))
	same(t, "and the other isn't swept", ok(h.TakeDuty(t.Context(), fairlead.Duty{Name: "another", Holder: "one", Until: at(60)}, at(22)))(t),
		fairlead.Duty{Name: "another", Holder: "two", Until: at(50)})
}

// testRaceDuties has many take the same: one of them has it.
func testRaceDuties(t tester, h house) {
	holders := []string{"a", "b", "c", "d", "e", "f"}
	got := make([]string, len(holders))
	var all sync.WaitGroup
	for i, holder := range holders {
		all.Go(func() {
			d, err := h.TakeDuty(t.Context(), fairlead.Duty{Name: "x", Holder: holder, Until: at(10)}, at(0))
			if err != nil {
				t.Error(err)
			}
			got[i] = d.Holder
		})
	}
	all.Wait()
	mine := 0
	for i, holder := range holders {
		if got[i] != got[0] {
			t.Errorf("%s is told that %q has it, and another that %q has", holder, got[i], got[0])
		}
		if got[i] == holder {
			mine++
		}
	}
	if mine != 1 {
		t.Errorf("%d believe to have it", mine)
	}
}

func testDeposits(t tester, h house) {
	const a, b, c = fairlead.Digest("sha256:a"), fairlead.Digest("sha512:b"), fairlead.Digest("sha256:c")
	_, err := h.DepositOf(t.Context(), a)
	wantKind(t, err, fairlead.NotFound, "")
	wantKind(t, h.UseDeposit(t.Context(), a, at(1)), fairlead.NotFound, "")
	usage := func(wantN int, wantBytes int64) {
		t.Helper()
		n, bytes, err := h.DepositUsage(t.Context())
		if n != wantN || bytes != wantBytes || err != nil {
			t.Errorf("%d deposits with %d bytes, want %d with %d (%v)", n, bytes, wantN, wantBytes, err)
		}
	}
	usage(0, 0)
	put := func(d fairlead.Deposit) {
		t.Helper()
		if err := h.PutDeposit(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	begun := fairlead.Deposit{Digest: a, Size: 1 << 40, Sums: []byte{0, 255, 1}, Used: fine(at(1))}
	put(begun)
	begun.Used = at(1)
	same(t, "begun", ok(h.DepositOf(t.Context(), a))(t), begun)
	whole := begun
	whole.Whole, whole.Used = true, at(3)
	put(whole)
	again := begun
	again.Used = at(4)
	put(again) // another begins anew: it is there all the same
	whole.Used = at(4)
	same(t, "whole", ok(h.DepositOf(t.Context(), a))(t), whole)
	put(fairlead.Deposit{Digest: b, Size: 5, Sums: []byte{}, Whole: true, Used: at(2)})
	put(fairlead.Deposit{Digest: c, Size: 9, Sums: []byte{}, Used: at(5)})
	usage(2, 1<<40+5)
	wantKind(t, h.UseDeposit(t.Context(), c, at(9)), fairlead.NotFound, "")
	use := func(d fairlead.Digest, when time.Time) {
		t.Helper()
		if err := h.UseDeposit(t.Context(), d, when); err != nil {
			t.Error(err)
		}
	}
	use(b, at(7))
	use(b, at(6)) // late news
	same(t, "by use", ok(h.DepositsByUse(t.Context(), 2))(t), []fairlead.Deposit{
		{Digest: a, Size: 1 << 40, Whole: true, Used: at(4)}, {Digest: c, Size: 9, Used: at(5)},
	})
	for _, row := range []struct {
		digest fairlead.Digest
		used   time.Time
		want   bool
	}{{a, at(3), false}, {a, at(4), true}, {a, at(9), false}, {b, at(9), true}} {
		same(t, "removing "+string(row.digest), ok(h.RemoveDeposit(t.Context(), row.digest, row.used))(t), row.want)
	}
	usage(0, 0)
}
