package cloudtest

import (
	"net/http"
	"slices"
	"strings"
)

// Fault is a failure of a fake, beside what its accounts and rights make it refuse.
type Fault struct {
	// Host, Method and Path say which requests; empty is all. Path is a part of the path.
	// Match, if it isn't nil, has to agree too.
	Host, Method, Path string
	Match              func(*http.Request) bool
	// Status, Header and Body are the answer.
	Status int
	Header map[string]string
	Body   string
	// Hang gives no answer, until the client goes away or the test ends.
	Hang bool
	// Times is how often; 0 is always.
	Times int

	taken int
}

// Break adds a fault, and gives what mends it.
func (n *Internet) Break(f Fault) (mend func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.faults = append(n.faults, &f)
	return func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		n.faults = slices.DeleteFunc(n.faults, func(g *Fault) bool { return g == &f })
	}
}

// fail answers a request that a fault is for.
func (n *Internet) fail(w http.ResponseWriter, req *http.Request) bool {
	f := n.fault(req)
	if f == nil {
		return false
	}
	if f.Hang {
		select {
		case <-req.Context().Done():
		case <-n.done:
		}
		panic(http.ErrAbortHandler)
	}
	for k, v := range f.Header {
		w.Header().Set(k, v)
	}
	w.WriteHeader(f.Status)
	_, _ = w.Write([]byte(f.Body))
	return true
}

func (n *Internet) fault(req *http.Request) *Fault {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, f := range n.faults {
		if f.Host != "" && f.Host != req.Host || f.Method != "" && f.Method != req.Method || !strings.Contains(req.URL.Path, f.Path) ||
			f.Times > 0 && f.taken >= f.Times || f.Match != nil && !f.Match(req) {
			continue
		}
		f.taken++
		return f
	}
	return nil
}
