package dswarm_test

import (
	"os/exec"
	"strings"
	"testing"
)

func TestTheEchoExampleCallsANode(t *testing.T) {
	n := startNode(t, quiet)
	out, err := exec.CommandContext(testContext(t), "go", "run", "./examples/echo", n.address, "hello").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "= answers \"hello\"\n0 \"hello\"\n1 \"hello\"\n2 \"hello\"\n") {
		t.Errorf("%s %v", out, err)
	}
}
