package convert

import (
	"crypto/sha256"
	"encoding/hex"
)

// Names returns the names that a container may have: the readable one, and
// another one in case that is taken. Name is "" for the sandbox.
func Names(instance, task, name string) [2]string {
	return [2]string{
		containerName(prefix(instance, 6), prefix(task, 8), name),
		containerName(instance, task, name),
	}
}

func containerName(instance, task, name string) string {
	base := "skylift-" + instance + "-" + task
	if name == "" {
		return base
	}
	return base + "-" + name
}

func prefix(s string, n int) string { return s[:min(n, len(s))] }

// longestVolume is how much of a volume's name is kept in Docker's.
const longestVolume = 64

// VolumeName is Docker's name of a task's volume.
func VolumeName(instance, task, volume string) string {
	if len(volume) > longestVolume {
		sum := sha256.Sum256([]byte(volume))
		volume = volume[:longestVolume] + "." + hex.EncodeToString(sum[:6])
	}
	return containerName(instance, task, volume)
}
