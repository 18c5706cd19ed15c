package inventory

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"io"

	"github.com/klauspost/compress/zstd"
)

// What compressed layers begin with: RFC 1952, 2.3.1; RFC 8878, 3.1.1 and 3.1.2.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
)

// mostWindow is how much memory unpacking may take, in bytes. It is what zstd --ultra asks for (RFC 8878, 3.1.1.1.2, recommends 8 MiB).
const mostWindow = 128 << 20

// decompress unpacks what is packed. Its bytes tell, not its media type. Done gives back what it takes.
func decompress(r io.Reader) (unpacked io.Reader, done func(), err error) {
	in := bufio.NewReaderSize(r, 64<<10)
	head, _ := in.Peek(4) // a short one is no archive, which reading it tells
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		g, err := gzip.NewReader(in)
		return g, func() {}, err
	case bytes.Equal(head, zstdMagic), skippable(head):
		z, err := zstd.NewReader(in, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(mostWindow), zstd.WithDecoderLowmem(true))
		if err != nil {
			return nil, nil, err
		}
		return z, z.Close, nil
	}
	return in, func() {}, nil
}

// skippable tells whether a frame of zstd's begins that holds something else.
func skippable(head []byte) bool {
	return len(head) == 4 && head[0]&0xf0 == 0x50 && head[1] == 0x2a && head[2] == 0x4d && head[3] == 0x18
}
