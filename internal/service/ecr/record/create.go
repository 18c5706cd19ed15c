package record

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"github.com/skylift/skylift/internal/handler"
	"github.com/skylift/skylift/internal/id"
	"github.com/skylift/skylift/internal/store"
)

// New returns a repository that isn't recorded yet.
func New(name string) Repository {
	return Repository{ID: id.Hex(16), Name: name, CreatedAt: Now(), Mutability: types.ImageTagMutabilityMutable}
}

// Now is the time as records and the API have it.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// Create records a repository, whose name nobody has.
func (r *Records) Create(ctx context.Context, repo Repository) error {
	return r.DB.Update(ctx, func(tx store.Tx) error {
		_, exists, err := handler.Find(tx, RepositoryRows, repo.Name)
		if err != nil {
			return err
		}
		if exists {
			return &types.RepositoryAlreadyExistsException{Message: new(fmt.Sprintf("The repository with name '%s' already exists in the registry with id '%s'", repo.Name, r.NS.Account))}
		}
		return RepositoryRows.Put(tx, repo.Name, repo)
	})
}

// CheckEncryption refuses what images can't be encrypted by.
func CheckEncryption(e types.EncryptionType) error {
	if e != types.EncryptionTypeAes256 {
		return Invalid("The value '%s' of 'encryptionConfiguration.encryptionType' is not supported by Skylift, only AES256.", e)
	}
	return nil
}

// Pages is how ECR cuts its lists
// (https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImages.html).
var Pages = handler.Pages{
	Default: 100, Most: 1000,
	BadSize: func(size int) error {
		if size < 1 {
			return Constraint("maxResults", "must have value greater than or equal to 1")
		}
		return Constraint("maxResults", "must have value less than or equal to 1000")
	},
	BadToken: func(string) error {
		return Invalid("Invalid parameter at 'nextToken': it is not one that this operation returned")
	},
}
