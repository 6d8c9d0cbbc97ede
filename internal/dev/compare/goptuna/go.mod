module github.com/attune-hpo/attune/internal/dev/compare/goptuna

go 1.26.0

require (
	github.com/c-bata/goptuna v0.9.0
	gorm.io/driver/sqlite v1.5.3
	gorm.io/gorm v1.25.4
)

require (
	github.com/google/uuid v1.3.1 // indirect
	github.com/jinzhu/inflection v1.0.0 // indirect
	github.com/jinzhu/now v1.1.5 // indirect
	github.com/mattn/go-sqlite3 v1.14.17 // indirect
	gonum.org/v1/gonum v0.14.0 // indirect
)
