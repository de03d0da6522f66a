package dswarm_test

import (
	"context"
	"strings"
	"testing"

	dswarm "github.com/dswarm/dswarm/clients/go"
	"github.com/dswarm/dswarm/clients/go/dht"
	"github.com/dswarm/dswarm/clients/go/identity"
	"github.com/dswarm/dswarm/clients/go/status"
)

func TestWhatIsWrongWithAnAddressIsSaid(t *testing.T) {
	key := identity.GenerateKeys().ID().Base64URL()
	for address, want := range map[string]string{
		"nonsense":                             "expected dswarm://KEY@HOST:PORT, with a port of 1 to 65535",
		"dswarm://" + key + "@127.0.0.1:65536": "with a port of 1 to 65535",
		"dswarm://abc@127.0.0.1:1":             `not a valid node id: expected "@" and 44 characters of base64, or base64url, or hex`,
		"dswarm://" + key + "@127.0.0.1:1":     "nothing answers at the address: dial tcp 127.0.0.1:1: ",
	} {
		if _, err := dswarm.Dial(testContext(t), address, dswarm.Options{}); err == nil || !strings.Contains(err.Error(), want) {
			t.Error(address, err)
		}
	}
}

func TestAnUpdateThatIsTooLargeSaysSoWhoeverIsThere(t *testing.T) {
	client, err := dht.NewClient([]string{"dswarm://" + identity.GenerateKeys().ID().Base64URL() + "@127.0.0.1:1"}, dswarm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	_, err = client.Update(context.Background(), make([]byte, 70_000), dht.UpdateOptions{})
	if status.ReasonOf(err) != "record_too_large" || !strings.HasSuffix(err.Error(), "70000 bytes, the limit is 65536") {
		t.Error(err)
	}
	_, err = client.Update(context.Background(), nil, dht.UpdateOptions{Salt: make([]byte, 65)})
	if status.ReasonOf(err) != "record_invalid" || !strings.HasSuffix(err.Error(), "65 bytes, the limit is 64") {
		t.Error(err)
	}
}
