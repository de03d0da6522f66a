package identity

import "crypto/sha256"

// DefaultNetwork is the name of the network of those who name none.
const DefaultNetwork = "dev"

// NetworkKey is 32 bytes that all nodes of a network share.
type NetworkKey [32]byte

// NetworkKeyOf is the key of a network that has only a name.
func NetworkKeyOf(name string) NetworkKey {
	return sha256.Sum256([]byte(name))
}

// ChooseNetworkKey is a key that is given, or that of a name, of which "" stands for the default network's.
func ChooseNetworkKey(key *NetworkKey, name string) NetworkKey {
	switch {
	case key != nil:
		return *key
	case name == "":
		return NetworkKeyOf(DefaultNetwork)
	default:
		return NetworkKeyOf(name)
	}
}

// ID is the 8 bytes that announces carry instead of the key.
func (k NetworkKey) ID() [8]byte {
	digest := sha256.Sum256(append([]byte("dswarm-network-id-v1"), k[:]...))
	return [8]byte(digest[:8])
}
