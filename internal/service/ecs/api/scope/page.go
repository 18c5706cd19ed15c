package scope

import (
	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/service/ecs"
)

// Pages cuts lists as ECS does: into pages of size entries when the caller doesn't say how many, and of at most most.
func Pages(size, most int) handler.Pages {
	return handler.Pages{
		Default: size, Most: most,
		BadSize:  func(int) error { return ecs.Invalid("maxResults must be between 1 and %d.", most) },
		BadToken: func(string) error { return ecs.Invalid("Invalid token: nextToken is not one that was returned.") },
	}
}

// Itself is the key of an entry that is its own key.
func Itself(s string) string { return s }
