package netlab

import (
	"fmt"
	"os"
	"path/filepath"
)

// Peers returns the folder with the foreign programs that the program in
// core/netlab/peers unpacked, for Overlay: .peers/root in the root of the
// module that the working directory lies in.
func Peers() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			break
		}
		if dir == "/" {
			return "", fmt.Errorf("no go.mod here or above")
		}
	}
	root := filepath.Join(dir, ".peers", "root")
	if _, err := os.Stat(filepath.Join(dir, ".peers", "peers.json")); err != nil {
		return "", fmt.Errorf("the peers are not there (%w): go run ./core/netlab/peers", err)
	}
	return root, nil
}
