// Package boxstream encrypts a stream of bytes in boxes of at most 4096 bytes, with an end that nobody else can make.
package boxstream

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"

	"golang.org/x/crypto/nacl/secretbox"

	"github.com/dswarm/dswarm/clients/go/status"
)

const (
	// MaxBody is the largest body of a box, in bytes.
	MaxBody     = 4096
	headerPlain = 18
	headerBytes = headerPlain + secretbox.Overhead
	readBuffer  = 64 << 10
)

var (
	// ErrInvalid is box_invalid: a box does not open.
	ErrInvalid = status.Fail("box_invalid", "", nil)
	// ErrTooLarge is box_too_large: a box says that its body has more than MaxBody bytes. Errors that wrap it say how many.
	ErrTooLarge = status.Fail("box_too_large", "", nil)
	// ErrAfterGoodbye is box_after_goodbye: something follows the goodbye.
	ErrAfterGoodbye = status.Fail("box_after_goodbye", "", nil)
)

// increment adds one to a number of 24 bytes, most significant first.
func increment(nonce *[24]byte) {
	for i := len(nonce) - 1; i >= 0; i-- {
		nonce[i]++
		if nonce[i] != 0 {
			return
		}
	}
}

// Writer encrypts. Not for concurrent use.
type Writer struct {
	w      io.Writer
	key    [32]byte
	nonce  [24]byte
	boxed  []byte
	body   []byte
	closed bool
}

// NewWriter returns a writer of boxes.
func NewWriter(w io.Writer, key [32]byte, nonce [24]byte) *Writer {
	return &Writer{w: w, key: key, nonce: nonce, body: make([]byte, 0, MaxBody+secretbox.Overhead)}
}

// Write boxes all bytes and writes the boxes in one go. Error link_closed after the goodbye, or that of the writer beneath.
func (w *Writer) Write(p []byte) (int, error) {
	if w.closed {
		return 0, status.Fail("link_closed", "the goodbye is said", nil)
	}
	w.boxed = w.boxed[:0]
	for rest := p; len(rest) > 0; {
		n := min(len(rest), MaxBody)
		headerNonce := w.nonce
		increment(&w.nonce)
		w.body = secretbox.Seal(w.body[:0], rest[:n], &w.nonce, &w.key)
		increment(&w.nonce)
		var header [headerPlain]byte
		binary.BigEndian.PutUint16(header[:], uint16(n))
		copy(header[2:], w.body[:secretbox.Overhead])
		w.boxed = secretbox.Seal(w.boxed, header[:], &headerNonce, &w.key)
		w.boxed = append(w.boxed, w.body[secretbox.Overhead:]...)
		rest = rest[n:]
	}
	if _, err := w.w.Write(w.boxed); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Goodbye says that nothing follows. Idempotent.
func (w *Writer) Goodbye() error {
	if w.closed {
		return nil
	}
	w.closed = true
	_, err := w.w.Write(secretbox.Seal(nil, make([]byte, headerPlain), &w.nonce, &w.key))
	return err
}

// Reader decrypts. Not for concurrent use.
type Reader struct {
	r     *bufio.Reader
	key   [32]byte
	nonce [24]byte
	box   [MaxBody + secretbox.Overhead]byte
	plain []byte // its rest is unread
	rest  []byte
	err   error
}

// NewReader returns a reader of boxes.
func NewReader(r io.Reader, key [32]byte, nonce [24]byte) *Reader {
	return &Reader{r: bufio.NewReaderSize(r, readBuffer), key: key, nonce: nonce, plain: make([]byte, 0, MaxBody)}
}

// Read reads decrypted bytes. io.EOF is the other end's goodbye; an end without it is link_truncated.
func (r *Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		if r.err = r.readBox(); r.err != nil {
			return 0, r.err
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

// cutOff is the error of an end without a goodbye. It does not unwrap to io.EOF, which is what a goodbye is read as.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		err = nil
	}
	if status.ReasonOf(err) != "" {
		return err
	}
	return status.Fail("link_truncated", "", err)
}

func (r *Reader) readBox() error {
	header := r.box[:headerBytes]
	if _, err := io.ReadFull(r.r, header); err != nil {
		return cutOff(err)
	}
	var opened [headerPlain]byte
	if _, ok := secretbox.Open(opened[:0], header, &r.nonce, &r.key); !ok {
		return ErrInvalid
	}
	increment(&r.nonce)
	if opened == ([headerPlain]byte{}) {
		if r.r.Buffered() > 0 {
			return ErrAfterGoodbye
		}
		return io.EOF
	}
	n := int(binary.BigEndian.Uint16(opened[:]))
	if n > MaxBody {
		return status.TooLarge("box_too_large", n, MaxBody).WithCause(ErrTooLarge)
	}
	if n == 0 {
		return ErrInvalid
	}
	box := r.box[:secretbox.Overhead+n]
	copy(box, opened[2:])
	if _, err := io.ReadFull(r.r, box[secretbox.Overhead:]); err != nil {
		return cutOff(err)
	}
	plain, ok := secretbox.Open(r.plain[:0], box, &r.nonce, &r.key)
	if !ok {
		return ErrInvalid
	}
	increment(&r.nonce)
	r.plain, r.rest = plain, plain
	return nil
}
