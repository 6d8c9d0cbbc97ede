package postgres_test

import (
	"fmt"

	"github.com/attune-hpo/attune/storage/postgres"
)

func ExampleDatabase() {
	// The password comes from PGPASSWORD or ~/.pgpass.
	store := postgres.Database("postgres://tuner@db.example.com:5432/studies?sslmode=verify-full")
	fmt.Println(store.Address())
	// st, err := study.Open(ctx, store, "lightgbm", study.Config{Sampler: tpe.New(tpe.Config{})})

	// Output:
	// postgres://db.example.com:5432/studies
}
