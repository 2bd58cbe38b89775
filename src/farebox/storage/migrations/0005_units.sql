-- What a call used beside tokens of text: sound, pictures, films, searches. Most calls have none of it, so it is one
-- column and not nine: a JSON object of the classes that are not zero; null: none.
ALTER TABLE call ADD COLUMN units text;
