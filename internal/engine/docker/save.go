package docker

import (
	"context"
	"errors"
	"io"

	"github.com/moby/moby/client"

	"fairlead.dev/fairlead"
)

// Save gives an image of an engine as an archive, as it comes, and about how large it is.
// [fairlead.NotFound] if the engine hasn't got it, [fairlead.Unavailable] (CodeEngine) if
// there is no engine.
func Save(ctx context.Context, host, image string) (io.ReadCloser, int64, error) {
	if host == "" {
		host = client.DefaultDockerHost
	}
	api, err := client.New(client.WithHost(host))
	if err != nil {
		return nil, 0, unreachable(host, err)
	}
	info, err := api.ImageInspect(ctx, image)
	if err != nil {
		err = saveError(ctx, host, image, err)
		return nil, 0, errors.Join(err, api.Close())
	}
	r, err := api.ImageSave(ctx, []string{image})
	if err != nil {
		return nil, 0, errors.Join(saveError(ctx, host, image, err), api.Close())
	}
	return &saving{ReadCloser: r, api: api}, info.Size, nil
}

func saveError(ctx context.Context, host, image string, err error) error {
	what := "reading image " + image + " of the Docker engine"
	switch {
	case ctx.Err() != nil:
		return &fairlead.Error{Kind: fairlead.Unavailable, What: what, Why: "it was cancelled"}
	case isNotFound(err):
		return &fairlead.Error{
			Kind: fairlead.NotFound, Code: fairlead.CodeNoImage, What: what, Why: "the engine has no such image, and there is no file or directory of that name",
			Remedy: "look at `docker images`, or name a layout (oci:DIRECTORY:TAG) or an archive",
		}
	case client.IsErrConnectionFailed(err):
		return unreachable(host, err)
	default:
		return engineError(what, err)
	}
}

// saving lets go of the engine with the archive.
type saving struct {
	io.ReadCloser
	api *client.Client
}

func (s *saving) Close() error { return errors.Join(s.ReadCloser.Close(), s.api.Close()) }
