// Package frame reads and writes the frames of a connection: Frame messages, each behind its length as a varint.
package frame

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/protobuf/proto"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/status"
)

// MaxBytes is the largest encoding of a frame, in bytes.
const MaxBytes = 131072

var (
	// ErrInvalid is frame_invalid: a frame does not decode.
	ErrInvalid = status.Fail("frame_invalid", "", nil)
	// ErrTooLarge is frame_too_large: a frame is over MaxBytes. Errors that wrap it say by how much.
	ErrTooLarge = status.Fail("frame_too_large", "", nil)
)

// Append appends the delimited form of a frame.
func Append(dst []byte, f *pb.Frame) ([]byte, error) {
	size := proto.Size(f)
	if size > MaxBytes {
		return dst, status.TooLarge("frame_too_large", size, MaxBytes).WithCause(ErrTooLarge)
	}
	dst = binary.AppendUvarint(dst, uint64(size))
	return proto.MarshalOptions{UseCachedSize: true}.MarshalAppend(dst, f)
}

// Reader reads frames. Not for concurrent use.
type Reader struct {
	r      *bufio.Reader
	buffer []byte
}

// NewReader returns a reader of frames.
func NewReader(r io.Reader) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, 16<<10)}
}

// Read returns the next frame, a new one each time. io.EOF comes between frames only.
func (r *Reader) Read() (*pb.Frame, error) {
	size, err := r.length()
	if err != nil {
		return nil, err
	}
	if cap(r.buffer) < size {
		r.buffer = make([]byte, size, max(size, 4096))
	}
	b := r.buffer[:size]
	if _, err := io.ReadFull(r.r, b); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrInvalid
		}
		return nil, err
	}
	f := new(pb.Frame)
	if err := proto.Unmarshal(b, f); err != nil {
		return nil, ErrInvalid
	}
	return f, nil
}

// length reads a varint of at most three bytes: a larger one is over the limit.
func (r *Reader) length() (int, error) {
	size := 0
	for shift := 0; ; shift += 7 {
		b, err := r.r.ReadByte()
		if err != nil {
			if shift > 0 && errors.Is(err, io.EOF) {
				return 0, ErrInvalid
			}
			return 0, err
		}
		if shift == 14 && b > 0x7f {
			return 0, status.TooLargeSoFar("frame_too_large", MaxBytes+1, MaxBytes).WithCause(ErrTooLarge)
		}
		size |= int(b&0x7f) << shift
		if b <= 0x7f {
			break
		}
	}
	if size > MaxBytes {
		return 0, status.TooLarge("frame_too_large", size, MaxBytes).WithCause(ErrTooLarge)
	}
	return size, nil
}
