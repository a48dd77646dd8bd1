import GRDB

/// The tables of the index. A change is a new migration, never an edit of an old one.
enum IndexSchema {
  static var migrator: DatabaseMigrator {
    var migrator = DatabaseMigrator()
    migrator.registerMigration("1 runs") { database in
      try database.execute(sql: runs)
      try database.execute(sql: "PRAGMA application_id = \(Index.applicationID)")
    }
    // What had been taken for the program's commit was that of the working directory.
    migrator.registerMigration("2 program") { database in
      try database.execute(
        sql: """
          ALTER TABLE run RENAME COLUMN program TO "commit";
          ALTER TABLE run ADD COLUMN program TEXT
          """)
    }
    migrator.registerMigration("3 intervals") { database in
      try database.execute(
        sql: """
          ALTER TABLE metric ADD COLUMN low REAL;
          ALTER TABLE metric ADD COLUMN high REAL
          """)
    }
    return migrator
  }

  private static let runs = """
    CREATE TABLE experiment (name TEXT PRIMARY KEY NOT NULL) STRICT;

    CREATE TABLE run (
      id TEXT PRIMARY KEY NOT NULL,
      experiment TEXT NOT NULL REFERENCES experiment(name),
      -- Digest of the files this row comes from.
      source TEXT NOT NULL,
      state TEXT NOT NULL CHECK (state IN ('done', 'failed')),
      error TEXT,
      spec TEXT NOT NULL,
      parameters TEXT NOT NULL CHECK (json_valid(parameters)),
      forced INTEGER CHECK (forced IN (0, 1)),
      remarks TEXT CHECK (remarks IS NULL OR json_valid(remarks)),
      facts TEXT CHECK (facts IS NULL OR json_valid(facts)),
      program TEXT, host TEXT, cpu TEXT, threads INTEGER,
      libraries TEXT CHECK (libraries IS NULL OR json_valid(libraries)),
      started TEXT, finished TEXT,
      CHECK ((state = 'failed') = (error IS NOT NULL))
    ) STRICT;
    CREATE INDEX run_by_experiment ON run(experiment);

    -- Combination 0 is the run's own; others are points with the same identity.
    CREATE TABLE axis_label (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      combination INTEGER NOT NULL,
      position INTEGER NOT NULL,
      axis TEXT NOT NULL,
      label TEXT NOT NULL,
      PRIMARY KEY (run, combination, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE seed (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      stream TEXT NOT NULL,
      value INTEGER NOT NULL,
      PRIMARY KEY (run, stream)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE stage (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      position INTEGER NOT NULL,
      name TEXT NOT NULL,
      key TEXT NOT NULL,
      digest TEXT NOT NULL,
      cached INTEGER NOT NULL CHECK (cached IN (0, 1)),
      seconds REAL NOT NULL,
      peak_memory_bytes INTEGER NOT NULL,
      forward_tokens INTEGER,
      PRIMARY KEY (run, position)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE metric_definition (
      id TEXT PRIMARY KEY NOT NULL,
      name TEXT NOT NULL,
      scope TEXT NOT NULL,
      unit TEXT NOT NULL,
      higher_is_better INTEGER NOT NULL CHECK (higher_is_better IN (0, 1)),
      protocol TEXT NOT NULL CHECK (json_valid(protocol))
    ) STRICT;

    -- SQLite stores NaN as NULL; the reason stands beside it.
    CREATE TABLE metric (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      definition TEXT NOT NULL REFERENCES metric_definition(id),
      value REAL,
      special TEXT CHECK (special IN ('nan', 'inf', '-inf')),
      items INTEGER NOT NULL,
      PRIMARY KEY (run, definition),
      CHECK ((value IS NULL) = (special IS NOT NULL))
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE ledger (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      value REAL NOT NULL,
      PRIMARY KEY (run, name)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE count (
      run TEXT NOT NULL REFERENCES run(id) ON DELETE CASCADE,
      name TEXT NOT NULL,
      value INTEGER NOT NULL,
      PRIMARY KEY (run, name)
    ) STRICT, WITHOUT ROWID;
    """
}
