package authz

import "context"

// Enrich adds the keys that the resources of questions tell. It is for questions
// that were made of something else than an operation's input.
func Enrich(ctx context.Context, known Lookup, asked []Question) error {
	list := make([]question, len(asked))
	for i, q := range asked {
		list[i] = question{Question: q, plain: q.Resource}
	}
	if err := enrich(ctx, known, list); err != nil {
		return err
	}
	for i := range list {
		asked[i] = list[i].Question
	}
	return nil
}
