package ecs

import "runtime"

// architecture is the CPU architecture as ECS names it.
var architecture = map[string]string{"amd64": "x86_64", "arm64": "arm64"}[runtime.GOARCH]
