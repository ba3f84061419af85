// Package s3 keeps blobs in S3-compatible storage, so that several servers have the same
// (Amazon S3 API Reference, 2006-03-01; the client is MinIO's).
package s3

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"fairlead.dev/fairlead"
)

// Options say which bucket, and how it is reached.
type Options struct {
	// Location is s3://BUCKET, or s3://BUCKET/PREFIX for what is below a prefix.
	Location string
	// Endpoint is the URL of the service; "" is Amazon's in the region.
	Endpoint string
	// Region is that of the bucket; "" is us-east-1, as most services that aren't Amazon's
	// want it.
	Region string
	Login
	// Roots are the authorities that may have signed the service's certificate; nil is
	// those of the system.
	Roots *x509.CertPool
	// HostStyle puts the bucket into the host's name, as Amazon wants it; otherwise it is
	// in the path, as nearly all others do. Without Endpoint it is always so.
	HostStyle bool
}

const (
	defaultRegion = "us-east-1"
	// partSize is that of the pieces of an upload: what is sent anew when one fails.
	partSize = 16 << 20
	threads  = 2
	// retries of a request, by the client itself.
	retries = 3
	// dialTime and answerTime are how long the service may take for a connection, and to
	// begin its answer to a read. It may take longer over the end of an upload.
	dialTime   = 3 * time.Second
	answerTime = 5 * time.Second
	uploadTime = 2 * time.Minute
	idle       = 32
)

// Bucket is a bucket, or what is below a prefix of it. It is safe for concurrent use.
type Bucket struct {
	core     *minio.Core
	bucket   string
	prefix   string // "" or with a slash at its end
	endpoint string // for people
}

// New makes one. It asks the service for nothing. [fairlead.Invalid] for a setting that
// makes no sense.
func New(o Options) (*Bucket, error) {
	bucket, prefix, err := locate(o.Location)
	if err != nil {
		return nil, err
	}
	region := o.Region
	if region == "" {
		region = defaultRegion
	}
	host, secure, err := service(o.Endpoint, region)
	if err != nil {
		return nil, err
	}
	if o.AccessKey == "" || o.SecretKey.IsZero() {
		return nil, &fairlead.Error{
			Kind: fairlead.Invalid, What: "opening " + o.Location, Why: "its access key is missing, or the secret key",
			Remedy: "give both in the environment or in a file, never on the command line",
		}
	}
	lookup := minio.BucketLookupPath
	if o.HostStyle || o.Endpoint == "" {
		lookup = minio.BucketLookupDNS
	}
	core, err := minio.NewCore(host, &minio.Options{
		Creds:  credentials.NewStaticV4(o.AccessKey, string(o.SecretKey.Reveal()), string(o.SessionToken.Reveal())),
		Secure: secure, Region: region, BucketLookup: lookup, MaxRetries: retries, Transport: transport(o.Roots),
	})
	if err != nil {
		e := &fairlead.Error{Kind: fairlead.Invalid, What: "opening " + o.Location, Why: "its service's address can't be read", Remedy: "give a URL such as https://s3.example.com"}
		return nil, e.Because(err)
	}
	return &Bucket{core: core, bucket: bucket, prefix: prefix, endpoint: host}, nil
}

// locate reads s3://BUCKET/PREFIX.
func locate(location string) (bucket, prefix string, err error) {
	rest, ok := strings.CutPrefix(location, "s3://")
	bucket, prefix, _ = strings.Cut(rest, "/")
	prefix = strings.Trim(prefix, "/")
	if !ok || bucket == "" || strings.ContainsAny(rest, "?#@ ") || strings.Contains("/"+prefix+"/", "/../") || prefix != "" && strings.Contains(prefix, "//") {
		return "", "", &fairlead.Error{
			Kind: fairlead.Invalid, What: "reading the place of a store", Why: fairlead.Clip(location) + " isn't one in S3",
			Remedy: "write s3://BUCKET or s3://BUCKET/PREFIX",
		}
	}
	if prefix != "" {
		prefix += "/"
	}
	return bucket, prefix, nil
}

// service gives host and scheme of an endpoint.
func service(endpoint, region string) (host string, secure bool, err error) {
	if endpoint == "" {
		return "s3." + region + ".amazonaws.com", true, nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" {
		return "", false, &fairlead.Error{
			Kind: fairlead.Invalid, What: "reading the endpoint of a store", Why: "it isn't the URL of a service, without a path and without a login",
			Remedy: "write it like https://s3.example.com:9000",
		}
	}
	return u.Host, u.Scheme == "https", nil
}

func transport(roots *x509.CertPool) *http.Transport {
	return &http.Transport{
		DialContext:         (&net.Dialer{Timeout: dialTime, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:     &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: dialTime, ResponseHeaderTimeout: uploadTime, IdleConnTimeout: time.Minute,
		MaxIdleConnsPerHost: idle, DisableCompression: true,
	}
}

// String is where it is, for people.
func (b *Bucket) String() string { return "s3://" + strings.TrimSuffix(b.bucket+"/"+b.prefix, "/") }

// Endpoint is the host of its service.
func (b *Bucket) Endpoint() string { return b.endpoint }

// Check asks for the bucket. [fairlead.Unavailable] says why it can't be used.
func (b *Bucket) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	there, err := b.core.BucketExists(ctx, b.bucket)
	if err != nil {
		return b.failed(ctx, "asking for", "", err)
	}
	if !there {
		return b.failed(ctx, "asking for", "", minio.ErrorResponse{Code: minio.NoSuchBucket, StatusCode: http.StatusNotFound})
	}
	return nil
}

// Get opens bytes [from, to) of an object; to < 0 is to its end. It gives the size of the
// whole object too. [fairlead.NotFound] if there is none.
func (b *Bucket) Get(ctx context.Context, name string, from, to int64) (_ io.ReadCloser, size int64, err error) {
	var o minio.GetObjectOptions
	if from > 0 || to >= 0 {
		last := max(to-1, 0)
		if to < 0 {
			last = 0 // to the end
		}
		if err := o.SetRange(from, last); err != nil {
			return nil, 0, b.failed(ctx, "reading", name, err)
		}
		if from == 0 && to == 1 {
			o.Set("Range", "bytes=0-0") // SetRange takes that for everything
		}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := time.AfterFunc(answerTime, func() { cancel(context.DeadlineExceeded) })
	body, info, header, err := b.core.GetObject(ctx, b.bucket, b.prefix+name, o)
	if err == nil && !late.Stop() {
		_ = body.Close()
		err = context.DeadlineExceeded
	}
	if err != nil {
		late.Stop()
		err = b.failed(ctx, "reading", name, err)
		cancel(nil)
		return nil, 0, err
	}
	size = info.Size
	if whole, ok := sizeIn(header.Get("Content-Range")); ok {
		size = whole
	}
	return &content{body, cancel}, size, nil
}

// content is an object's bytes.
type content struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

func (c *content) Close() error {
	c.cancel(nil)
	return c.ReadCloser.Close()
}

// Put makes an object of size bytes, in pieces if it is large. Others see it when it is
// whole, and not before.
func (b *Bucket) Put(ctx context.Context, name string, from io.ReaderAt, size int64) error {
	_, err := b.core.Client.PutObject(ctx, b.bucket, b.prefix+name, io.NewSectionReader(from, 0, size), size, minio.PutObjectOptions{
		ContentType: "application/octet-stream", PartSize: partSize, NumThreads: threads,
	})
	if err != nil {
		return b.failed(ctx, "writing", name, err)
	}
	return nil
}

// Remove forgets an object; none is no error.
func (b *Bucket) Remove(ctx context.Context, name string) error {
	err := b.core.RemoveObject(ctx, b.bucket, b.prefix+name, minio.RemoveObjectOptions{})
	if err = b.failed(ctx, "removing", name, err); err != nil && fairlead.KindOf(err) != fairlead.NotFound {
		return err
	}
	return nil
}

// Abort forgets what uploads of an object that were broken off have left.
func (b *Bucket) Abort(ctx context.Context, name string) error {
	err := b.core.RemoveIncompleteUpload(ctx, b.bucket, b.prefix+name)
	if err = b.failed(ctx, "clearing", name, err); err != nil && fairlead.KindOf(err) != fairlead.NotFound {
		return err
	}
	return nil
}
