package oci

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"fairlead.dev/fairlead"
	"fairlead.dev/fairlead/ref"
)

// putManifest puts a manifest under a tag or its own digest, and holds the registry's
// word against it: an image that isn't known by its digest can't be pulled.
func (p *push) putManifest(ctx context.Context, m manifest, reference string) error {
	what := p.what()
	if err := checkReference(what, reference); err != nil {
		return err
	}
	u := &upload{push: p, d: m.Descriptor, op: p.op(what, "manifest "+reference)}
	for {
		res, err := u.op.write(ctx, writing{
			method: http.MethodPut, header: http.Header{"Content-Type": {m.MediaType}}, size: m.Size,
			url:  func(e Endpoint) (*url.URL, error) { return pathTo(what, e, p.to.Repository, "manifests", reference) },
			body: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(m.raw)), nil },
		}, func(status int) bool { return status >= http.StatusOK && status < http.StatusMultipleChoices })
		if err == nil {
			drain(res.Body)
			if err := u.op.agrees(res, m.Digest); err != nil || m.doc.Subject == nil || res.Header.Get("OCI-Subject") != "" {
				return err
			}
			return p.refer(ctx, m)
		}
		if err := u.pause(ctx, err); err != nil {
			return err
		}
	}
}

// refer lists a manifest among those that refer to its subject, at a registry that keeps
// no such list of its own (Distribution specification, "Referrers Tag Schema").
func (p *push) refer(ctx context.Context, m manifest) error {
	subject := descriptor(*m.doc.Subject)
	if err := ref.CheckDigest(string(subject.Digest)); err != nil {
		return damaged(p.what(), m.Digest, "its subject isn't a digest")
	}
	tag := strings.Replace(string(subject.Digest), ":", "-", 1)
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: []ocispec.Descriptor{}}
	old, err := p.op(p.what(), "tag "+tag).manifest(ctx, tag, "")
	switch {
	case fairlead.KindOf(err) == fairlead.NotFound:
	case err != nil:
		return err
	case !isIndexType(old.MediaType):
		return broken(p.what(), p.to.Host+" has something else than a list of referrers as tag "+tag)
	default:
		index.Manifests = old.doc.Manifests
	}
	entry := ocispec.Descriptor{
		MediaType: m.MediaType, Digest: digest.Digest(m.Digest), Size: m.Size, ArtifactType: m.doc.ArtifactType, Annotations: m.doc.Annotations,
	}
	if entry.ArtifactType == "" && m.doc.Config != nil {
		entry.ArtifactType = m.doc.Config.MediaType
	}
	if slices.ContainsFunc(index.Manifests, func(d ocispec.Descriptor) bool { return d.Digest == entry.Digest }) {
		return nil
	}
	index.Manifests = append(index.Manifests, entry)
	raw, err := json.Marshal(index)
	if err != nil {
		return fairlead.AsError(p.what(), err)
	}
	d := Descriptor{MediaType: index.MediaType, Digest: digestOf(raw), Size: int64(len(raw))}
	return p.putManifest(ctx, manifest{Descriptor: d, raw: raw}, tag)
}

// agrees holds the digest that a registry says against the one that was sent.
func (p *pull) agrees(res *followed, want fairlead.Digest) error {
	got := res.Header.Get("Docker-Content-Digest")
	if got == "" || got == string(want) || !strings.HasPrefix(got, string(want[:strings.IndexByte(string(want), ':')+1])) {
		return nil // another algorithm says nothing
	}
	host := p.resource.Host
	return wrongDigest(p.what, host, fmt.Sprintf("%s has stored %s as %s", host, want, quote(got)))
}

// notPushed makes an error of a reply that is none of what was hoped for.
func (p *pull) notPushed(v *visit, res *followed) error {
	list := p.c.errorsOf(res)
	words := said(list, v.secrets(proof{})...)
	tail := ""
	if words != "" {
		tail = ": " + quote(words)
	}
	host, status := p.resource.Host, res.StatusCode
	e := &fairlead.Error{What: p.what}
	fill := func(kind fairlead.Kind, code fairlead.Code, why, remedy string) error {
		e.Kind, e.Code, e.Why, e.Remedy = kind, code, why, remedy
		return e
	}
	switch {
	case hasCode(list, tooMany) && status < 500:
		res.StatusCode = http.StatusTooManyRequests
	case status == http.StatusRequestEntityTooLarge:
		return errTooLarge{fill(fairlead.Invalid, fairlead.CodeRegistryBroken, host+" takes no request of this size ("+statusText(status)+")",
			"have whoever runs the registry, or the proxy in front of it, allow larger requests (nginx: client_max_body_size)")}
	case immutable(status, words):
		return fill(fairlead.Conflict, fairlead.CodeImmutable, host+" doesn't let that tag be moved"+tail, "push with another tag, or have whoever runs the registry allow it")
	case status == http.StatusNotFound && !hasCode(list, blobUnknown):
		return fill(fairlead.NotFound, fairlead.CodeNoRepository, host+" has no repository "+p.resource.Repository+", and makes none of itself"+tail,
			"make the repository, then push again")
	case hasCode(list, "DIGEST_INVALID"):
		return wrongDigest(p.what, host, host+" says that it received other bytes than were sent"+tail)
	case status >= http.StatusBadRequest && status < http.StatusInternalServerError && status != http.StatusTooManyRequests && status != http.StatusProxyAuthRequired:
		return fill(fairlead.Invalid, fairlead.CodeRegistryBroken, fmt.Sprintf("%s doesn't take it (%s)%s", host, statusText(status), tail),
			"check what the registry takes: its kind of images, its quota, and the rules for its tags")
	}
	return unwell(p.what, host, res.Response, words, p.c.now())
}

// immutable knows how registries say that a tag stays where it is: ECR 400 TAG_INVALID,
// Artifact Registry 400, Harbor 412, Azure 405, others 409.
func immutable(status int, words string) bool {
	switch status {
	case http.StatusConflict, http.StatusPreconditionFailed:
		return true
	case http.StatusBadRequest, http.StatusForbidden, http.StatusMethodNotAllowed:
		words = strings.ToLower(words)
		return strings.Contains(words, "immutable") || strings.Contains(words, "cannot be overwritten") || strings.Contains(words, "operation is disallowed")
	}
	return false
}
