package boxstream

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/dswarm/dswarm/clients/go/internal/vectors"
	"github.com/dswarm/dswarm/clients/go/status"
)

type boxCase struct {
	Key, Nonce, Boxes  vectors.Bytes
	Plain              []vectors.Bytes
	Goodbye, Truncated bool
	Error              string
}

func (v boxCase) plain() []byte {
	var all []byte
	for _, piece := range v.Plain {
		all = append(all, piece...)
	}
	return all
}

func TestBoxStreams(t *testing.T) {
	vectors.Each(t, "box-streams.json", func(t *testing.T, v boxCase) {
		for name, split := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "halves": iotest.HalfReader, "bytes": iotest.OneByteReader,
			"with the error": iotest.DataErrReader,
		} {
			if v.Error == "box_after_goodbye" && name != "whole" {
				continue // what comes after the goodbye has been read is not looked at
			}
			reader := NewReader(split(bytes.NewReader(v.Boxes)), [32]byte(v.Key), [24]byte(v.Nonce))
			got, err := io.ReadAll(reader)
			want := v.Error
			if want == "" && !v.Goodbye {
				want = "link_truncated" // as every case ends where its bytes do
			}
			if !bytes.Equal(got, v.plain()) || status.ReasonOf(err) != want || errors.Is(err, io.EOF) {
				t.Errorf("%s: %d bytes, %v", name, len(got), err)
			}
			if v.Error == "box_too_large" && !strings.HasSuffix(err.Error(), " bytes, the limit is 4096") {
				t.Error(err)
			}
			if _, again := reader.Read(make([]byte, 1)); want != "" && !errors.Is(again, err) {
				t.Errorf("%s: after the error comes %v", name, again)
			}
		}
		if v.Error != "" || v.Truncated {
			return
		}
		var sent bytes.Buffer
		writer := NewWriter(&sent, [32]byte(v.Key), [24]byte(v.Nonce))
		for _, piece := range v.Plain {
			if n, err := writer.Write(piece); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
		}
		if v.Goodbye {
			if err := errors.Join(writer.Goodbye(), writer.Goodbye()); err != nil {
				t.Fatal(err)
			}
			if _, err := writer.Write([]byte("more")); status.ReasonOf(err) != "link_closed" {
				t.Error("writing after the goodbye:", err)
			}
		}
		if !bytes.Equal(sent.Bytes(), v.Boxes) {
			t.Errorf("%x is sent", sent.Bytes())
		}
	})
}

func FuzzReader(f *testing.F) {
	cases := vectors.All[boxCase](f, "box-streams.json")
	one := cases["two pieces go on with the nonce plus two"]
	for _, v := range cases {
		f.Add([]byte(v.Boxes), 3)
	}
	f.Fuzz(func(t *testing.T, boxes []byte, at int) {
		// Nobody without the key can make the reader say what was not written, whatever is put, cut or changed.
		tampered := append(bytes.Clone(one.Boxes[:max(0, min(at, len(one.Boxes)))]), boxes...)
		got, err := io.ReadAll(NewReader(bytes.NewReader(tampered), [32]byte(one.Key), [24]byte(one.Nonce)))
		if !bytes.HasPrefix(one.plain(), got) {
			t.Fatalf("%x comes out", got)
		}
		if err == nil {
			t.Fatal("a goodbye that nobody has said")
		}
	})
}
