package conform

import (
	"context"

	"fairlead.dev/fairlead"
)

func testHouseSecrets(t tester, h house) {
	put := func(s fairlead.HouseSecret) step {
		return func(ctx context.Context, w fairlead.Writer) error { return w.PutHouseSecret(ctx, s) }
	}
	same(t, "HouseSecrets of none", ok(h.HouseSecrets(t.Context()))(t), []fairlead.HouseSecret(nil))
	for _, name := range nowhere() {
		s, err := h.HouseSecret(t.Context(), name)
		wantMissing(t, s, err)
	}
	b := fairlead.HouseSecret{Name: "b", KEK: "file:1 Größe", Sealed: []byte("\x00\xffsealed")}
	a := fairlead.HouseSecret{Name: "a", KEK: "file:1", Sealed: []byte("a")}
	h.must(t, put(b))
	h.must(t, put(a))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, put(a))
	a.Version, b.Version = 1, 1
	same(t, "HouseSecrets", ok(h.HouseSecrets(t.Context()))(t), []fairlead.HouseSecret{a, b})
	b.Sealed, b.KEK = []byte("again"), "file:2"
	h.must(t, put(b))
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, put(b))
	b.Version = 2
	same(t, "HouseSecret", ok(h.HouseSecret(t.Context(), "b"))(t), b)
	h.refused(t, fairlead.Conflict, fairlead.CodeStale, put(fairlead.HouseSecret{Name: "c", Version: 1, Sealed: []byte{1}}))
}
