package sqlstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/klauspost/compress/zstd"

	"fairlead.dev/fairlead"
)

// A chunk holds at most this many lines, and no further line once its text has this
// many bytes: enough that packing pays, little enough that reading one line is cheap.
const (
	chunkLines = 1000
	chunkBytes = 256 << 10
)

// chunk counts the lines that go into the next chunk.
func chunk(lines []fairlead.LogLine) int {
	size := 0
	for i, l := range lines {
		if i == chunkLines || size >= chunkBytes {
			return i
		}
		size += len(l.Text)
	}
	return len(lines)
}

// packer turns log lines into chunks and back. A chunk is a Zstandard frame
// (RFC 8878). In it stands, for each line: the microseconds since the line before
// (since 1970 for the first) as varint, then stream and text, each with its length
// before it as uvarint. So a line may hold any bytes.
type packer struct {
	in  *zstd.Encoder
	out *zstd.Decoder
}

func newPacker() (*packer, error) {
	in, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(2), zstd.WithLowerEncoderMem(true))
	if err != nil {
		return nil, fmt.Errorf("making log encoder: %w", err)
	}
	out, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(2), zstd.WithDecoderLowmem(true))
	if err != nil {
		return nil, fmt.Errorf("making log decoder: %w", err)
	}
	return &packer{in: in, out: out}, nil
}

func (p *packer) close() { p.out.Close() }

func (p *packer) pack(lines []fairlead.LogLine) []byte {
	var raw []byte
	var before int64
	for _, l := range lines {
		at := l.At.UnixMicro()
		raw = binary.AppendVarint(raw, at-before)
		raw = appendText(raw, string(l.Stream))
		raw = appendText(raw, l.Text)
		before = at
	}
	return p.in.EncodeAll(raw, nil)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

var errChunk = errors.New("a log chunk is damaged")

// unpack gives the lines of a chunk that begins with the line first: those after the
// line after, at most limit.
func (p *packer) unpack(packed []byte, first, after int64, limit int) ([]fairlead.LogLine, error) {
	raw, err := p.out.DecodeAll(packed, nil)
	if err != nil {
		return nil, fmt.Errorf("unpacking log chunk: %w", err)
	}
	var list []fairlead.LogLine
	var at int64
	for seq := first; len(raw) > 0 && len(list) < limit; seq++ {
		since, n := binary.Varint(raw)
		if n <= 0 {
			return nil, errChunk
		}
		at += since
		stream, rest, ok := cut(raw[n:])
		if !ok {
			return nil, errChunk
		}
		text, rest, ok := cut(rest)
		if !ok {
			return nil, errChunk
		}
		if raw = rest; seq > after {
			list = append(list, fairlead.LogLine{Seq: seq, At: time.UnixMicro(at).UTC(), Stream: fairlead.Stream(stream), Text: string(text)})
		}
	}
	return list, nil
}

// cut takes off what has its length before it.
func cut(b []byte) (text, rest []byte, ok bool) {
	size, n := binary.Uvarint(b)
	if n <= 0 {
		return nil, nil, false
	}
	if b = b[n:]; size > uint64(len(b)) {
		return nil, nil, false
	}
	return b[:size], b[size:], true
}
