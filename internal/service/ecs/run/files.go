package run

// mountKey names a volume as a container mounts it.
type mountKey struct{ container, volume string }

// mounted are the directories of this host that stand for volumes.
type mounted map[mountKey]string
