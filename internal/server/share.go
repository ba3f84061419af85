package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/internal/blob"
	"fairlead.dev/fairlead/internal/blob/s3"
	"fairlead.dev/fairlead/internal/depot"
	"fairlead.dev/fairlead/internal/replica"
)

// share has the gateway's depot share a store with those of other servers, if there is
// one. A store that can't be reached stops no server: pulls go on without it.
func (s *Server) share(ctx context.Context, options *depot.Options) error {
	o := s.opts
	if o.GatewayStore.Location == "" {
		return nil
	}
	bucket, err := s3.New(o.GatewayStore)
	if err != nil {
		return err
	}
	if err := bucket.Check(ctx); err != nil {
		o.Log.WarnContext(ctx, "looking at the gateway's store", "error", err.Error())
	}
	s.replica = replica.New(ctx, replica.Options{
		Address: o.GatewayPeerURL,
		Peers: func(ctx context.Context, address string, digest fairlead.Digest) (io.ReadCloser, int64, error) {
			return s.Gateway.FetchPeer(ctx, address, digest)
		},
		Bucket: bucket, Books: s.Store, Now: o.Now, Wait: wait, Patience: o.GatewayPatience,
		Quota: o.GatewayStoreQuota, Unused: o.GatewayStoreUnused, Pending: o.GatewayQuota / 2,
		Report: func(err error) { o.Log.WarnContext(ctx, "sharing blobs", "error", err.Error()) },
	})
	options.Shared = s.replica
	return nil
}

// blobs is where the archives and outputs of runs are kept. Without its bucket a server
// could take no run, so it doesn't start.
func (s *Server) blobs(ctx context.Context) (blob.Keeper, error) { //nolint:ireturn // There are several.
	o := s.opts
	if o.Blobs.Location == "" {
		return blob.NewDisk(filepath.Join(o.Data, "blobs"), o.Now)
	}
	bucket, err := s3.New(o.Blobs)
	if err != nil {
		return nil, err
	}
	if err := bucket.Check(ctx); err != nil {
		return nil, err
	}
	return s3.NewKeeper(bucket, filepath.Join(o.Data, "spool"))
}

// peers reaches the other servers of the house.
func peers() *http.Transport {
	const most, dial = 16, 2 * time.Second
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dial}).DialContext,
		TLSHandshakeTimeout: dial, MaxIdleConnsPerHost: most, IdleConnTimeout: time.Minute, DisableCompression: true,
	}
}
