package frame

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "github.com/dswarm/dswarm/clients/go/gen/dswarm/v1/frame"
	"github.com/dswarm/dswarm/clients/go/internal/vectors"
	"github.com/dswarm/dswarm/clients/go/status"
)

type frameCase struct {
	Bytes  vectors.Bytes
	Frames []json.RawMessage
	Ends   string
	Error  string
}

func readAll(r io.Reader) (frames []*pb.Frame, err error) {
	reader := NewReader(r)
	for {
		f, err := reader.Read()
		if err != nil {
			return frames, err
		}
		frames = append(frames, f)
	}
}

// fields are the fields of a message as the vectors have them: all of them, but those with presence only where they are set.
func fields(m protoreflect.Message) map[string]any {
	all := map[string]any{}
	list := m.Descriptor().Fields()
	for i := range list.Len() {
		field := list.Get(i)
		if field.HasPresence() && !m.Has(field) {
			continue
		}
		value := m.Get(field)
		switch {
		case field.IsList():
			items := []any{}
			for j := range value.List().Len() {
				items = append(items, fields(value.List().Get(j).Message()))
			}
			all[field.TextName()] = items
		case field.Message() != nil:
			all[field.TextName()] = fields(value.Message())
		case field.Kind() == protoreflect.BytesKind:
			all[field.TextName()] = hex.EncodeToString(value.Bytes())
		case field.Kind() == protoreflect.Uint32Kind:
			all[field.TextName()] = float64(value.Uint())
		default:
			all[field.TextName()] = value.Interface()
		}
	}
	return all
}

// expand writes bytes that are given in parts as one hex text, as fields does.
func expand(value any) any {
	switch v := value.(type) {
	case map[string]any:
		for key := range v {
			v[key] = expand(v[key])
		}
	case []any:
		if isBytes := len(v) > 0 && slices.ContainsFunc(v, func(part any) bool {
			run, ok := part.(map[string]any)
			return ok && run["repeat"] != nil
		}); isBytes {
			text, _ := json.Marshal(v)
			var parts vectors.Bytes
			if err := parts.UnmarshalJSON(text); err != nil {
				panic(err)
			}
			return hex.EncodeToString(parts)
		}
		for i := range v {
			v[i] = expand(v[i])
		}
	}
	return value
}

func TestFramesDecode(t *testing.T) {
	vectors.Each(t, "frames.json", func(t *testing.T, v frameCase) {
		if v.Frames == nil {
			t.Skip("package rpc tests what a frame does")
		}
		for _, split := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader} {
			frames, err := readAll(split(bytes.NewReader(v.Bytes)))
			frames = slices.DeleteFunc(frames, func(f *pb.Frame) bool { return f.GetBody() == nil && f.GetStreamId() == 0 })
			if !errors.Is(err, io.EOF) || len(frames) != len(v.Frames) {
				t.Fatalf("%d frames, %v", len(frames), err)
			}
			var encoded []byte
			for i, f := range frames {
				var want map[string]any
				if err := json.Unmarshal(v.Frames[i], &want); err != nil {
					t.Fatal(err)
				}
				delete(want, "body")
				wanted, _ := json.Marshal(expand(want))
				if got, _ := json.Marshal(fields(f.ProtoReflect())); !bytes.Equal(got, wanted) {
					t.Errorf("%s is decoded, not %s", got, wanted)
				}
				if encoded, err = Append(encoded, f); err != nil {
					t.Fatal(err)
				}
			}
			isOdd := strings.Contains(t.Name(), "unknown") || strings.Contains(t.Name(), "no_bytes")
			if !isOdd && !bytes.Equal(encoded, v.Bytes) {
				t.Errorf("%x is encoded", encoded)
			}
		}
	})
}

func TestFramesThatEndTheConnectionAreRefused(t *testing.T) {
	for name, want := range map[string]string{
		"a length of 131073 bytes ends the connection before the frame is there": "frame_too_large",
		"a length of four bytes ends the connection, whatever it says":           "frame_too_large",
		"a frame that does not decode ends the connection":                       "frame_invalid",
		"text that is not UTF-8 ends the connection":                             "frame_invalid",
	} {
		v, ok := vectors.All[frameCase](t, "frames.json")[name]
		if !ok {
			t.Fatal("there is no vector", name)
		}
		if _, err := readAll(bytes.NewReader(v.Bytes)); status.ReasonOf(err) != want || v.Error != want {
			t.Error(name, err)
		}
	}
}

func TestAnEndWithinAFrameIsNoEnd(t *testing.T) {
	whole, err := Append(nil, &pb.Frame{StreamId: 1, Body: &pb.Frame_Data{Data: &pb.Data{Payload: make([]byte, 200)}}})
	if err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		_, err := readAll(bytes.NewReader(whole[:n]))
		if n == 0 && !errors.Is(err, io.EOF) || n > 0 && !errors.Is(err, ErrInvalid) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
	}
}

func TestAFrameOverTheLimitIsNotSent(t *testing.T) {
	f := &pb.Frame{StreamId: 1, Body: &pb.Frame_Data{Data: &pb.Data{Payload: make([]byte, MaxBytes)}}}
	b, err := Append([]byte("before"), f)
	if err != nil && !strings.HasSuffix(err.Error(), fmt.Sprintf("%d bytes, the limit is 131072", proto.Size(f))) {
		t.Error(err)
	}
	if !errors.Is(err, ErrTooLarge) || string(b) != "before" {
		t.Error(len(b), err)
	}
}

func FuzzReader(f *testing.F) {
	for _, v := range vectors.All[frameCase](f, "frames.json") {
		f.Add([]byte(v.Bytes))
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		frames, err := readAll(bytes.NewReader(stream))
		if err == nil {
			t.Fatal("no error, not even of the end")
		}
		var encoded []byte
		for _, frame := range frames {
			if encoded, err = Append(encoded, frame); err != nil {
				t.Fatal(err)
			}
		}
		again, err := readAll(bytes.NewReader(encoded))
		if !errors.Is(err, io.EOF) || !slices.EqualFunc(frames, again, func(a, b *pb.Frame) bool { return proto.Equal(a, b) }) {
			t.Fatalf("what is encoded decodes to something else: %v", err)
		}
	})
}
