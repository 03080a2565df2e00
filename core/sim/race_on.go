//go:build race

package sim

// raceEnabled: the race detector makes everything ten times slower.
const raceEnabled = true
