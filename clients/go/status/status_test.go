package status

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"testing"
)

func TestReasonsAreThoseOfTheDocs(t *testing.T) {
	docs, err := os.ReadFile("../../../docs/errors.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]reason{}
	row := regexp.MustCompile("(?m)^\\| `(\\w+)` +\\| `(\\w+)` +\\| \\d+ +\\| \\w+ +\\| (.*?) +\\|$")
	for _, m := range row.FindAllStringSubmatch(string(docs), -1) {
		for code := range names {
			if names[code] == m[2] {
				rows[m[1]] = reason{Code(code), m[3]}
			}
		}
	}
	if len(rows) < len(reasons) {
		t.Fatalf("only %d rows are read", len(rows))
	}
	for name, own := range reasons {
		if rows[name] != own {
			t.Errorf("%s is %v in the docs, not %v", name, rows[name], own)
		}
	}
}

func TestErrorsKeepCodeAndCause(t *testing.T) {
	cause := errors.New("beneath")
	failure := fmt.Errorf("within: %w", Fail("link_truncated", "cut off", cause))
	if CodeOf(failure) != Unavailable || ReasonOf(failure) != "link_truncated" || !errors.Is(failure, cause) {
		t.Error(failure)
	}
	for err, code := range map[error]Code{
		context.Canceled: Canceled, context.DeadlineExceeded: DeadlineExceeded, cause: Unknown, Errorf(NotFound, "no"): NotFound,
	} {
		if CodeOf(err) != code || ReasonOf(err) != "" {
			t.Errorf("%v is %v", err, CodeOf(err))
		}
	}
	if CodeOf(nil) != OK || FromError(nil) != nil || Code(99).String() != "code_99" {
		t.Error("nil is an error")
	}
}
