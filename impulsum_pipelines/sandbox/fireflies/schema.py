"""The part of Fireflies' GraphQL schema that the sandbox serves, word for word as the vendor publishes it.

Its types are complete; it has only the queries that a reader of meetings needs.
Vendor page: https://docs.fireflies.ai/schema (introspection of https://api.fireflies.ai/graphql).
"""

SDL = """
scalar DateTime

type Query {
  transcripts(
    title: String
    keyword: String
    scope: String
    date: Float
    fromDate: DateTime
    toDate: DateTime
    limit: Int = 50
    skip: Int = 0
    user_id: String
    mine: Boolean
    organizers: [String!]
    participants: [String!]
    channel_id: String
    host_email: String
    organizer_email: String
    participant_email: String
  ): [Transcript!]
  transcript(id: String!): Transcript
  users: [User!]
  user(id: String): User
}

type Transcript {
  id: String
  sentences: [Sentence!]
  title: String
  host_email: String
  organizer_email: String
  user: User
  privacy: String
  participants: [String!]
  date: Float
  duration: Float
  summary: Summary
  meeting_info: MeetingInfo
  is_live: Boolean
  transcript_url: String
  audio_url: String
  video_url: String
  dateString: String
  apps_preview: Apps
  meeting_attendees: [MeetingAttendeeModel!]
  meeting_attendance: [MeetingAttendance!]
  speakers: [Speaker!]
  calendar_id: String
  cal_id: String
  calendar_type: String
  meeting_link: String
  analytics: MeetingAnalytics
  fireflies_users: [String!]
  workspace_users: [String!]
  channels: [Channel!]!
  shared_with: [SharedWith!]
}

type Sentence {
  index: Int
  speaker_name: String
  speaker_id: Int
  raw_text: String
  start_time: Float
  end_time: Float
  ai_filters: AIFilters
  text: String
}

type AIFilters {
  text_cleanup: String
  task: String
  pricing: String
  metric: String
  question: String
  date_and_time: String
  sentiment: String
}

type Summary {
  keywords: [String!]
  action_items: String
  outline: String
  shorthand_bullet: String
  overview: String
  bullet_gist: String
  notes: String
  gist: String
  short_summary: String
  short_overview: String
  meeting_type: String
  topics_discussed: [String!]
  transcript_chapters: [String!]
  extended_sections: [SummarySection!]
}

type SummarySection {
  title: String!
  content: String!
}

type MeetingInfo {
  silent_meeting: Boolean
  summary_status: SummaryStatus
  fred_joined: Boolean
}

enum SummaryStatus {
  processing
  processed
  failed
  skipped
  default
}

type MeetingAttendeeModel {
  displayName: String
  email: String
  phoneNumber: String
  name: String
  location: String
}

type MeetingAttendance {
  name: String!
  join_time: String!
  leave_time: String
}

type Speaker {
  id: Float
  name: String
}

type SharedWith {
  email: String
  name: String
  photo_url: String
  expires_at: String
}

type Channel {
  id: ID!
  created_at: String
  updated_at: String
  created_by: String
  is_private: Boolean
  title: String
  members: [ChannelMember!]!
}

type ChannelMember {
  user_id: String!
  email: String!
  name: String!
}

type User {
  user_id: String
  email: String
  integrations: [String!]
  user_groups: [UserGroup!]
  is_calendar_in_sync: Boolean
  name: String
  num_transcripts: Float
  recent_transcript: String
  recent_meeting: String
  minutes_consumed: Float
  is_admin: Boolean
}

type UserGroup {
  id: String!
  name: String!
  handle: String!
  members: [UserGroupMember!]
}

type UserGroupMember {
  user_id: String!
  first_name: String!
  last_name: String!
  email: String!
}

type MeetingAnalytics {
  sentiments: Sentiments
  categories: AnalyticsCategories
  speakers: [AnalyticsSpeaker!]
}

type Sentiments {
  negative_pct: Float
  neutral_pct: Float
  positive_pct: Float
}

type AnalyticsCategories {
  questions: Int
  date_times: Int
  metrics: Int
  tasks: Int
}

type AnalyticsSpeaker {
  speaker_id: Int
  name: String
  duration: Float
  word_count: Int
  longest_monologue: Float
  monologues_count: Int
  filler_words: Int
  questions: Int
  duration_pct: Float
  words_per_minute: Float
}

type Apps {
  outputs: [AppOutput!]
}

type AppOutput {
  transcript_id: String
  user_id: String
  app_id: String
  created_at: Float
  title: String
  prompt: String
  response: String
}
"""
