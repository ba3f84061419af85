package unpack

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow is the largest zstd window that is taken, in bytes: what zstd -19 makes has
// 8 MiB, --long 128 MiB.
const maxWindow = 128 << 20

// small is the size below which to start a process costs more than it saves, in bytes.
const small = 64 << 10

// decoder gives decompressed bytes. stop ends a Read that is under way; finish is called
// after the last Read, and says what was wrong.
type decoder struct {
	io.Reader
	stop   func()
	finish func() error
}

// decode decompresses, by what the first bytes say: media types are not to be relied
// on, and other engines don't.
func decode(ctx context.Context, packed io.Reader, igzip string) (*decoder, error) {
	in := bufio.NewReaderSize(packed, bufferSize)
	head, err := in.Peek(small)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	isSmall := len(head) < small
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}) && igzip != "" && !isSmall:
		return startIgzip(ctx, in, igzip)
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return inProcess(in, openGzip)
	case isZstd(head):
		return inProcess(in, openZstd)
	case bytes.HasPrefix(head, []byte("BZh")), bytes.HasPrefix(head, []byte{0xfd, '7', 'z', 'X'}):
		return nil, content("it is compressed with bzip2 or xz, which no image specification has")
	default:
		return &decoder{Reader: in, stop: func() {}, finish: func() error { return nil }}, nil
	}
}

// isZstd knows a frame, and a frame to be skipped (RFC 8878, sections 3.1.1 and 3.1.2).
func isZstd(head []byte) bool {
	return bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) ||
		len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// inProcess decompresses what another goroutine reads ahead.
func inProcess(in io.Reader, open func(io.Reader) (io.Reader, func(), error)) (*decoder, error) {
	ahead := convey(in, packedBuffers, bufferSize, nil)
	r, end, err := open(ahead)
	if err != nil {
		ahead.stop()
		ahead.wait()
		return nil, err
	}
	finish := func() error {
		ahead.stop()
		ahead.wait()
		end()
		return nil
	}
	return &decoder{Reader: r, stop: ahead.stop, finish: finish}, nil
}

func openGzip(r io.Reader) (io.Reader, func(), error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return nil, nil, misread("decompressing", err)
	}
	return lenient{z}, func() {}, nil
}

// lenient takes what follows the last member of a gzip file for padding, as gzip and
// igzip do. The diff ID says whether anything is missing.
type lenient struct{ z *gzip.Reader }

func (l lenient) Read(b []byte) (int, error) {
	n, err := l.z.Read(b)
	if errors.Is(err, gzip.ErrHeader) {
		err = io.EOF
	}
	return n, err
}

func openZstd(r io.Reader) (io.Reader, func(), error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}
