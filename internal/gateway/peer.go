package gateway

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/wire"
)

// Servers of one house give each other what they are just fetching, so that a blob is
// fetched once, and its first byte is there for all of them at the same time. Who asks
// shows a pass that only a server of the house can make, for one blob and a moment. It is
// no right of a client's: each server has decided on those of its own before.

const (
	peerLife = time.Minute
	// peerTime is how long another server may take to begin its answer.
	peerTime = 5 * time.Second
)

// FetchPeer begins to fetch a blob that another server is fetching, from its first byte
// on.
func (g *Gateway) FetchPeer(ctx context.Context, address string, digest fairlead.Digest) (_ io.ReadCloser, size int64, err error) {
	token, err := g.logins.passes.make(pass{Kind: peerPass, Digest: digest, Expires: g.opts.Now().Add(peerLife).Unix()})
	if err != nil {
		return nil, 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	late := time.AfterFunc(peerTime, cancel)
	res, err := g.askPeer(ctx, address, digest, token)
	if err == nil && !late.Stop() {
		_ = res.Body.Close()
		err = context.DeadlineExceeded
	}
	e := &fairlead.Error{
		Kind: fairlead.Unavailable, Code: fairlead.CodeConnect, What: "fetching blob " + string(digest) + " from the server at " + address,
		Why: "it doesn't answer", Remedy: "nothing: it is fetched from its registry; if it stays, see whether servers reach each other at their --gateway-peer-url",
	}
	if err != nil {
		late.Stop()
		cancel()
		return nil, 0, e.Because(err)
	}
	if res.StatusCode != http.StatusOK || res.ContentLength < 0 {
		_ = res.Body.Close()
		cancel()
		e.Why = "it answers with status " + strconv.Itoa(res.StatusCode)
		if res.StatusCode == http.StatusNotFound {
			e.Kind, e.Why = fairlead.NotFound, "it isn't fetching it any more"
		}
		return nil, 0, e
	}
	return &peerBody{res.Body, cancel}, res.ContentLength, nil
}

func (g *Gateway) askPeer(ctx context.Context, address string, digest fairlead.Digest, token fairlead.Secret) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, address+wire.GatewayPeerPath+string(digest), nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+string(token.Reveal()))
	return g.opts.Peers.RoundTrip(r)
}

type peerBody struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *peerBody) Close() error {
	b.cancel()
	return b.ReadCloser.Close()
}

// ServePeer gives another server of the house a blob that this one is fetching, as it
// comes, or has just fetched.
func (g *Gateway) ServePeer(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h["X-Content-Type-Options"], h["Cache-Control"] = noSniff, noStore
	digest := fairlead.Digest(strings.TrimPrefix(r.URL.Path, wire.GatewayPeerPath))
	text, _ := strings.CutPrefix(authorization(r), "Bearer ")
	what, ok := g.logins.passes.read([]byte(text))
	if !ok || what.Kind != peerPass || what.Digest != digest || what.over(g.opts.Now()) {
		(&refusal{code: wire.Unauthorized, message: "only another server of the house is answered here"}).write(w, r, g.opts.Now())
		return
	}
	if r.Method != http.MethodGet {
		unsupported().write(w, r, g.opts.Now())
		return
	}
	b, there := g.opts.Depot.Follow(digest)
	if !there {
		unknown(blobs).write(w, r, g.opts.Now())
		return
	}
	defer func() { _ = b.Close() }()
	size, err := b.Size(r.Context())
	if err != nil || size < 0 {
		unknown(blobs).write(w, r, g.opts.Now())
		return
	}
	h["Content-Type"], h["Content-Length"] = octetType, []string{strconv.FormatInt(size, 10)}
	out := &late{ResponseWriter: w, status: http.StatusOK}
	out.begin()
	out.Flush()
	if _, err := b.CopyTo(r.Context(), out, 0, -1); err != nil {
		panic(http.ErrAbortHandler) // only that says that it isn't whole
	}
}
